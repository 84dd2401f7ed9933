"""Methods that run the part of a network behind a layer, in numpy, float64: the meaning of their options and presets.

`scores_from` takes activations [N, K, h, w] and returns the network's raw outputs [N, classes]; how a network is cut is the
caller's business. Formulas: Recipro-CAM, arXiv 2209.14074; Ablation-CAM, WACV 2020, equations 3 and 4; CAM, arXiv
1512.04150, equation 2, with the classifier's weights taken from the network's response to single channels.
"""

from dataclasses import dataclass

import numpy as np

import grad_cam
from reference import finish, output_size, reduced, softmax


@dataclass(frozen=True)
class Finish:
    """The options of the last step, under the names that the command line gives them."""

    post_relu: bool = True
    final: str = "minmax"
    final_eps: float = 0.0
    output: str = "input"
    resize: str = "half-pixel"
    order: str = "resize-norm"


@dataclass(frozen=True)
class Recipro(Finish):
    """Recipro-CAM; the defaults are the authors' code."""

    post_relu: bool = False
    kernel: str = "cell"  # cell | gaussian | spread
    score: str = "softmax"  # softmax | logit | sigmoid


@dataclass(frozen=True)
class Ablation(Finish):
    """Ablation-CAM; the defaults are the paper's equations."""

    ablated: str = "zero"  # zero | below
    weight: str = "relative"  # relative | difference
    score: str = "logit"
    reduce: str = "sum"


@dataclass(frozen=True)
class Cam(Finish):
    """CAM; the defaults are the authors' code."""

    post_relu: bool = False


LAYER = {"output": "layer"}
OPTIONS = {"recipro-cam": Recipro, "ablation-cam": Ablation, "cam": Cam, "grad-cam": grad_cam.Options, "xgrad-cam": Finish}
PRESETS = {
    "recipro-cam": {
        "official": {},
        "official-gaussian": {"kernel": "spread"},
        "openvino-xai": {"score": "logit", **LAYER},
        "openvino-xai-vit": {"kernel": "gaussian", "score": "logit", **LAYER},
    },
    "ablation-cam": {
        "paper": {},
        "pytorch-grad-cam": {"ablated": "below", "final_eps": 1e-7, "order": "norm-resize-norm"},
        "captum": {"weight": "difference"},
    },
    "cam": {"official": {}, "torchcam": {"final_eps": 1e-8, **LAYER}},
    "grad-cam": grad_cam.PRESETS,
    "xgrad-cam": grad_cam.RELATIVES,
}


def explain(method, study, o):
    """The saliency map of a study by `method`, float64 [height, width]."""
    combined = METHODS[method](study, o)
    combined = np.maximum(combined, 0) if o.post_relu else combined
    return finish(combined, output_size(o, study.size, combined.shape), o)


@dataclass(frozen=True)
class Study:
    """One class of one image, and the network behind the layer."""

    activations: np.ndarray  # [K, h, w]
    scores_from: object  # [N, K, h, w] -> [N, classes]
    target: int
    size: tuple  # height and width of the input
    ending: str = "logits"

    def raw(self, activations):
        """The raw output of the target for each of the activations."""
        return np.asarray(self.scores_from(np.asarray(activations)), np.float64)[:, self.target]

    def scores(self, activations, kind):
        """The target's score of each of the activations. A model that ends in what is asked for is taken at its word."""
        raw = np.asarray(self.scores_from(np.asarray(activations)), np.float64)
        if kind == "softmax" and self.ending != "softmax":
            raw = np.stack([softmax(row) for row in raw])
        if kind == "sigmoid" and self.ending != "sigmoid":
            raw = 1 / (1 + np.exp(-raw))
        return raw[:, self.target]


def recipro(study, o):
    a = np.asarray(study.activations, np.float64)
    _, h, w = a.shape
    gaussian = np.outer([1, 2, 1], [1, 2, 1]) / 16
    alone = np.zeros((h * w, *a.shape))
    for i in range(h):
        for j in range(w):
            if o.kernel == "cell":
                alone[i * w + j, :, i, j] = a[:, i, j]
                continue
            for y in range(max(i - 1, 0), min(i + 2, h)):
                for x in range(max(j - 1, 0), min(j + 2, w)):
                    source = a[:, y, x] if o.kernel == "gaussian" else a[:, i, j]
                    alone[i * w + j, :, y, x] = source * gaussian[y - i + 1, x - j + 1]
    return study.scores(alone, o.score).reshape(h, w)


def ablation(study, o):
    a = np.asarray(study.activations, np.float64)
    fill = a.min() - 1e7 if o.ablated == "below" and a.min() != 0 else 0.0
    without = np.repeat(a[None], len(a), 0)
    without[np.arange(len(a)), np.arange(len(a))] = fill
    whole = study.scores(a[None], o.score)[0]
    lost = whole - study.scores(without, o.score)
    weights = lost / whole if o.weight == "relative" else lost
    return reduced(weights[:, None, None] * a, o.reduce)


def cam(study, _):
    """The weight of a channel is the score of that channel, 1 everywhere and alone, less that of none."""
    a = np.asarray(study.activations, np.float64)
    channels = np.eye(len(a))[:, :, None, None] * np.ones(a.shape[1:])
    none = study.raw(np.zeros((1, *a.shape)))
    return np.einsum("k,kyx->yx", study.raw(channels) - none, a)


def slopes(study, directions, step):
    """Central differences of the target's raw output along each of `directions` [K, h, w], one for each channel."""
    a = np.asarray(study.activations, np.float64)
    moved = np.zeros((len(a), *a.shape))
    moved[np.arange(len(a)), np.arange(len(a))] = directions * step
    return (study.raw(a + moved) - study.raw(a - moved)) / (2 * step)


STEP = 1 / 32  # relative to the greatest activation, or to the map itself: a part of the method where a head bends


def grad_cam_by_slopes(study, _):
    a = np.asarray(study.activations, np.float64)
    weights = slopes(study, np.ones_like(a), STEP * np.abs(a).max()) / a[0].size
    return np.einsum("k,kyx->yx", weights, a)


def xgrad_cam_by_slopes(study, _):
    a = np.asarray(study.activations, np.float64)
    sums = a.sum((1, 2))
    weights = slopes(study, a, STEP) / np.where(sums == 0, 1, sums)
    return np.einsum("k,kyx->yx", weights, a)


METHODS = {
    "recipro-cam": recipro,
    "ablation-cam": ablation,
    "cam": cam,
    "grad-cam": grad_cam_by_slopes,
    "xgrad-cam": xgrad_cam_by_slopes,
}
