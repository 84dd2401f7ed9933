"""RISE and occlusion in numpy, float64: methods that mask the input and look at no layer.

Mask i takes its numbers in 0..1 (`splitmix.py`) from the seed that is draw i of the option `seed`: number 0 is the shift down, 1 the shift to the right, 2 and up are the cells row by row, each 1 where the number is below
`probability`.
"""

from dataclasses import dataclass

import numpy as np

from reference import FinishOptions, class_score, fill_image, finished, resize
from splitmix import draws, uniform

@dataclass(frozen=True)
class ScoringOptions(FinishOptions):
    score: str = "softmax"  # softmax | logit | sigmoid
    fill: str = "zero"  # zero | image | blur
    blur_sigma: float = 10.0


@dataclass(frozen=True)
class RiseOptions(ScoringOptions):
    passes: int = 6000
    seed: int = 0
    center: bool = False
    cells: int = 8
    probability: float = 0.1
    upsample: str = "mirror"
    grid: str = "stretched"  # stretched | padded


@dataclass(frozen=True)
class OcclusionOptions(ScoringOptions):
    patch: int = 0  # 0: a seventh of the shorter side
    stride: int = 0  # 0: half of the patch
    border: str = "clip"  # clip | inside
    overlap: str = "mean"  # mean | sum


def rise(study, o):
    """The mean of random masks, each times the score of the image that it lets through."""
    masks = np.array(list(random_masks(study.image.shape[1:], o)))
    return finished(estimate(masks, masked_scores(study, masks, o), o)[0], study, o)


def estimate(masks, scores, o):
    """The map of random masks with the standard error of each pixel, before either is finished.

    A pixel is the mean of (score - a) mask / p. Its error is that of a mean of independent terms, (score - a) (mask - b) / p:
    a is 0 and b, too, unless scores are centered, where both are means.
    """
    away = scores - scores.mean() * o.center
    saliency = np.einsum("n,nyx->yx", away, masks) / (len(masks) * o.probability)
    terms = away[:, None, None] * (masks - masks.mean(0) * o.center) / o.probability
    return saliency, terms.std(0, ddof=1) / np.sqrt(len(masks))


def rise_errors(study, o):
    """The standard errors of the saliency map, where it is not resized."""
    masks = np.array(list(random_masks(study.image.shape[1:], o)))
    saliency, errors = estimate(masks, masked_scores(study, masks, o), o)
    saliency = np.maximum(saliency, 0) if o.post_relu else saliency
    divisors = {"minmax": np.ptp(saliency) + o.final_eps, "max": saliency.max() + o.final_eps, "none": 1.0}
    return errors / divisors[o.final]


def random_masks(size, o):
    for seed in draws(o.seed, o.passes):
        numbers = uniform(seed, 2 + o.cells**2)
        grid = (numbers[2:] < o.probability).astype(np.float64).reshape(o.cells, o.cells)
        if o.grid == "stretched":
            shifts = [-(-n // o.cells) for n in size]
            enlarged = [(o.cells + 1) * shift for shift in shifts]
        else:
            margin = max(n // o.cells for n in size)
            shifts, enlarged = [margin + 1] * 2, [n + margin for n in size]
        y, x = (int(number * shift) for number, shift in zip(numbers, shifts))
        yield resize(grid, enlarged, o.upsample)[y : y + size[0], x : x + size[1]]


def occlusion(study, o):
    """How far the score falls when a patch is hidden."""
    size = study.image.shape[1:]
    patch = o.patch or max(min(size) // 7, 1)
    stride = o.stride or max(patch // 2, 1)
    last = [-(-(n - patch) // stride) if o.border == "clip" else (n - patch) // stride for n in size]
    masks = np.ones((last[0] + 1, last[1] + 1, *size))
    for i, j in np.ndindex(masks.shape[:2]):
        masks[i, j, i * stride : i * stride + patch, j * stride : j * stride + patch] = 0
    masks = masks.reshape(-1, *size)
    falls = class_score(study, study.image, o) - masked_scores(study, masks, o)
    total = np.einsum("n,nyx->yx", falls, 1 - masks)
    if o.overlap == "mean":
        total /= np.maximum((1 - masks).sum(0), 1)
    return finished(total, study, o)


def masked_scores(study, masks, o):
    fill = fill_image(study, o)
    return np.array([class_score(study, m * study.image + (1 - m) * fill, o) for m in masks])


METHODS = {
    "rise": (
        RiseOptions,
        {
            "official": {},
            "paper": {"passes": 8000, "cells": 7, "probability": 0.5},
            "d-rise": {"passes": 5000, "cells": 16, "probability": 0.5},
            "vision-explanation-methods": {
                "passes": 5000, "cells": 16, "probability": 0.5, "upsample": "nearest", "grid": "padded",
                "center": True, "post_relu": False,
            },
        },
        rise,
    ),
    "occlusion": (
        OcclusionOptions,
        {
            "standard": {},
            "captum": {"score": "logit", "post_relu": False, "final": "none"},
            "xplique": {
                "patch": 3, "stride": 3, "border": "inside", "overlap": "sum", "score": "logit", "post_relu": False,
                "final": "none",
            },
        },
        occlusion,
    ),
}
