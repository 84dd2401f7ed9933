"""Grad-CAM in numpy, float64: the meaning of every option and preset, and gradients by finite differences.

The weight of an activation map is the mean over its cells of the slope of the class score (arXiv 1610.02391,
equation 1); the map is the ReLU of the weighted sum (equation 2). Slopes are central differences of the
network's own tail in float64, so nothing here knows how the plugin differentiates.
"""

from dataclasses import dataclass

import numpy as np

from reference import finish, output_size, reduced


@dataclass(frozen=True)
class Options:
    """The options, under the names that the command line gives them. The defaults are preset `official`."""

    post_relu: bool = True
    final: str = "minmax"  # minmax | max | none
    final_eps: float = 0.0
    output: str = "input"  # input | layer | HxW
    resize: str = "align-corners"  # half-pixel | align-corners | bicubic | mirror | nearest
    order: str = "resize-norm"  # resize-norm | norm-resize | norm-resize-norm
    reduce: str = "sum"  # sum | principal


# Differences to `official`, the authors' code, which resizes with image.scale of Torch 7.
PRESETS = {
    "official": {},
    "paper": {"final": "none", "output": "layer"},
    "pytorch-grad-cam": {"resize": "half-pixel", "final_eps": 1e-7, "order": "norm-resize-norm"},
    "torchcam": {"final_eps": 1e-8, "output": "layer"},
    "tf-keras-vis": {"final_eps": 1e-7},
    "keras-io": {"final": "max", "output": "layer"},
    "captum": {"post_relu": False, "final": "none", "output": "layer"},
}


# Relatives differ from their papers alone.
RELATIVES = {
    "paper": {},
    "pytorch-grad-cam": {"final_eps": 1e-7, "order": "norm-resize-norm"},
    "torchcam": {"final_eps": 1e-8, "output": "layer"},
}


@dataclass(frozen=True)
class Relative(Options):
    """The options of xgrad-cam, layer-cam and hires-cam."""

    resize: str = "half-pixel"


@dataclass(frozen=True)
class PlusPlus(Relative):
    """Grad-CAM++: the divisor of alpha has the map's sum times the gradient's cube, or the sum of their products."""

    alpha: str = "sum"  # sum | cubes


def _plus_plus(a, g, o):
    """arXiv 1710.11063, equations 5 and 19, as torch-cam and pytorch-grad-cam read them."""
    cubes = a.sum((1, 2), keepdims=True) * g**3 if o.alpha == "sum" else (a * g**3).sum((1, 2), keepdims=True)
    divisor = 2 * g**2 + cubes
    usable = (g != 0) & (divisor != 0)
    alpha = np.where(usable, g**2 / np.where(usable, divisor, 1), 0)
    return (alpha * np.maximum(g, 0)).sum((1, 2), keepdims=True)


def _xgrad(a, g, _):
    """arXiv 2008.02312, equation 11."""
    sums = a.sum((1, 2), keepdims=True)
    return (g * a).sum((1, 2), keepdims=True) / np.where(sums == 0, 1, sums)


# For each relative its options, presets, and the weight of each cell from activations and gradients.
RELATED = {
    "xgrad-cam": (Relative, RELATIVES, _xgrad),
    "grad-cam-plus-plus": (
        PlusPlus, {**RELATIVES, "torchcam": {"alpha": "cubes", "final_eps": 1e-8, "output": "layer"}}, _plus_plus
    ),
    "layer-cam": (Relative, RELATIVES, lambda a, g, o: np.maximum(g, 0)),
    "hires-cam": (Relative, RELATIVES, lambda a, g, o: g),
}


def explain_related(method, activations, gradients, size, o):
    """The saliency map of a relative of Grad-CAM."""
    a, g = np.asarray(activations, np.float64), np.asarray(gradients, np.float64)
    combined = reduced(RELATED[method][2](a, g, o) * a, o.reduce)
    combined = np.maximum(combined, 0) if o.post_relu else combined
    return finish(combined, output_size(o, size, combined.shape), o)


def explain(activations, gradients, size, o):
    """The saliency map [height, width] of activations and gradients [K, h, w] for an input of `size`."""
    weights = gradients.mean((1, 2))
    combined = reduced(weights[:, None, None] * np.asarray(activations, np.float64), o.reduce)
    if o.post_relu:
        combined = np.maximum(combined, 0)
    return finish(combined, output_size(o, size, combined.shape), o)


def slopes(scores_from, activations, target, step=1e-6):
    """The derivative [K, h, w] of `scores_from(activations)[target]`, by central differences.

    `scores_from` takes float64 [N, K, h, w] and returns [N, classes]. Half the step must give the same, else a
    cell lies on a kink of a ReLU, where there is no derivative to compare with.
    """
    start = np.asarray(activations, np.float64)

    def difference(step):
        shifts = np.eye(start.size).reshape(-1, *start.shape) * step
        up, down = (scores_from(start + sign * shifts)[:, target] for sign in (1, -1))
        return ((up - down) / (2 * step)).reshape(start.shape)

    coarse, fine = difference(step), difference(step / 2)
    if np.abs(coarse - fine).max() > 1e-5 * max(1.0, np.abs(fine).max()):
        raise ValueError("a cell lies on a kink; choose another seed")
    return fine
