"""Group-CAM without gradients in numpy, float64: Score-CAM of channels that are summed into groups."""

from dataclasses import dataclass, replace

import numpy as np

import reference


@dataclass(frozen=True)
class Options(reference.Options):
    groups: int = 32
    grouping: str = "alike"  # alike | order
    fill: str = "blur"
    baseline: str = "fill"
    weight_norm: str = "relu"
    pre_relu: bool = True


def explain(study, o):
    maps = np.asarray(study.activations, np.float64)
    maps = maps[reference.select(maps, o)]
    labels = alike(maps.reshape(len(maps), -1), o.groups) if o.grouping == "alike" else neighbors(len(maps), o.groups)
    groups = [maps[labels == label].sum(0) for label in np.unique(labels)]
    # Values between the steps are in single precision, as activations are.
    groups = np.array(groups, np.float32)
    return reference.explain(replace(study, activations=groups), replace(o, select="all"))


def neighbors(count, groups):
    return np.arange(count) // max(-(-count // groups), 1)


def alike(points, groups):
    """The group of each channel: k-means on maps of length 1, from the strongest map and those farthest from the starts."""
    lengths = np.sqrt((points**2).sum(1))
    points = points / np.where(lengths > 0, lengths, 1)[:, None]
    centers, left, chosen = [], np.full(len(points), np.inf), int(lengths.argmax())
    while len(centers) < groups and left[chosen] > 1e-12:
        centers.append(points[chosen])
        left = np.minimum(left, ((points - points[chosen]) ** 2).sum(1))
        chosen = first_greatest(left)
    centers, labels = np.array(centers), None
    for _ in range(50):
        found = np.array([first_greatest(-((centers - point) ** 2).sum(1)) for point in points])
        if labels is not None and np.array_equal(found, labels):
            break
        labels = found
        for label in np.unique(labels):
            centers[label] = points[labels == label].mean(0)
    return labels


def first_greatest(values):
    """The place of the greatest value; of values that differ by less than 1e-6 that of the first."""
    best = 0
    for i, value in enumerate(values):
        if value > values[best] + 1e-6:
            best = i
    return best


METHODS = {"group-cam": (Options, {"standard": {}, "neighbors": {"grouping": "order"}}, explain)}
