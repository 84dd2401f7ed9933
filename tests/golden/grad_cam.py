"""Grad-CAM in numpy, float64: the meaning of every option and preset, and gradients by finite differences.

The weight of an activation map is the mean over its cells of the slope of the class score (arXiv 1610.02391,
equation 1); the map is the ReLU of the weighted sum (equation 2). Slopes are central differences of the
network's own tail in float64, so nothing here knows how the plugin differentiates.
"""

from dataclasses import dataclass

import numpy as np

from reference import finish, output_size


@dataclass(frozen=True)
class Options:
    """The options, under the names that the command line gives them. The defaults are preset `official`."""

    post_relu: bool = True
    final: str = "minmax"  # minmax | max | none
    final_eps: float = 0.0
    output: str = "input"  # input | layer | HxW
    resize: str = "align-corners"  # half-pixel | align-corners | bicubic | mirror | nearest
    order: str = "resize-norm"  # resize-norm | norm-resize | norm-resize-norm


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


def explain(activations, gradients, size, o):
    """The saliency map [height, width] of activations and gradients [K, h, w] for an input of `size`."""
    weights = gradients.mean((1, 2))
    combined = np.einsum("k,kyx->yx", weights, np.asarray(activations, np.float64))
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
