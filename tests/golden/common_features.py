"""Methods that need no pass beside the first, in numpy, float64: Eigen-CAM, KPCA-CAM and FEM.

They show what activation maps have in common or where they stand out, and know of no class. `METHODS` says by id what the
options of each are, its presets, and the function that makes the map.
"""

from dataclasses import dataclass

import numpy as np

from reference import FinishOptions, finished

_PYTORCH_GRAD_CAM = {"resize": "half-pixel", "final_eps": 1e-7, "order": "norm-resize-norm"}


@dataclass(frozen=True)
class EigenOptions(FinishOptions):
    center: bool = True


@dataclass(frozen=True)
class KpcaOptions(FinishOptions):
    kernel: str = "sigmoid"  # linear | poly | rbf | sigmoid | cosine
    gamma: float = 0.0  # 0: one over the channels


@dataclass(frozen=True)
class FemOptions(FinishOptions):
    deviations: float = 2.0
    sum: str = "channels"  # channels | cells


def eigen_cam(study, o):
    """The projection of the cells on the first right singular vector of [cells, K]."""
    cells, shape = matrix(study, o.center)
    left, singular, _ = np.linalg.svd(cells, full_matrices=False)
    return finished(signed(left[:, 0] * singular[0], cells).reshape(shape), study, o)


def kpca_cam(study, o):
    """The first component of a kernel's principal component analysis, as scikit-learn's KernelPCA gives it."""
    cells, shape = matrix(study, True)
    gamma = o.gamma or 1 / cells.shape[1]
    product, square = cells @ cells.T, (cells**2).sum(1)
    kernel = {
        "linear": lambda: product,
        "poly": lambda: (gamma * product + 1) ** 3,
        "rbf": lambda: np.exp(-gamma * (square[:, None] + square - 2 * product)),
        "sigmoid": lambda: np.tanh(gamma * product + 1),
        "cosine": lambda: product / np.sqrt(square[:, None] * square),
    }[o.kernel]()
    kernel = kernel - kernel.mean(0) - kernel.mean(1, keepdims=True) + kernel.mean()
    values, vectors = np.linalg.eigh(kernel)
    component = vectors[:, -1] * np.sqrt(max(values[-1], 0))
    return finished(signed(component, cells).reshape(shape), study, o)


def fem(study, o):
    """Where channels are above their mean by some deviations."""
    maps = np.asarray(study.activations, np.float64)
    means = maps.mean((1, 2), keepdims=True)
    out = maps > means + o.deviations * maps.std((1, 2), keepdims=True)
    weighted = out.mean((1, 2), keepdims=True) * maps if o.sum == "channels" else out * means
    return finished(weighted.sum(0), study, o)


def matrix(study, center):
    """Activations as [cells, K], and the size of a map."""
    maps = np.asarray(study.activations, np.float64)
    cells = maps.reshape(len(maps), -1).T
    return cells - cells.mean(0) * center, maps.shape[1:]


def signed(component, cells):
    """The component with the sign by which it grows with the sum of all channels."""
    return component if component @ cells.sum(1) >= 0 else -component


METHODS = {
    "eigen-cam": (
        EigenOptions,
        {
            "standard": {},
            "paper": {"center": False, "final": "none", "output": "layer"},
            "pytorch-grad-cam": _PYTORCH_GRAD_CAM,
        },
        eigen_cam,
    ),
    "kpca-cam": (KpcaOptions, {"standard": {}, "pytorch-grad-cam": _PYTORCH_GRAD_CAM}, kpca_cam),
    "fem": (
        FemOptions,
        {
            "standard": {},
            "paper": {"sum": "cells", "final": "none", "output": "layer"},
            "pytorch-grad-cam": _PYTORCH_GRAD_CAM,
            "xplique": {"sum": "cells", "post_relu": False, "final": "none", "resize": "bicubic"},
        },
        fem,
    ),
}
