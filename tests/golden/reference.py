"""Score-CAM in numpy: what every option and preset of scorecam means, at double precision.

This file is the yardstick of the golden maps, so it is written to be read: one function for each step, no
batching, no savings. `explain` is the whole; `Options` holds the option names of the command line
(`--set key=value`), and `PRESETS` what each preset changes about the defaults.

Shapes: activations [K, h, w], image [C, H, W], and `forward` takes a float32 batch [N, C, H, W] and returns
the model's own output [N, classes]. Masks are computed in float64 and only the masked images are rounded.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from splitmix import draws, normal


@dataclass(frozen=True)
class FinishOptions:
    """The options by which a combined map becomes the saliency map, the same for every method."""

    post_relu: bool = True
    final: str = "minmax"  # minmax | max | none
    final_eps: float = 0.0
    output: str = "input"  # input | layer | HxW
    resize: str = "half-pixel"  # half-pixel | align-corners | bicubic | mirror | nearest
    order: str = "resize-norm"  # resize-norm | norm-resize | norm-resize-norm


@dataclass(frozen=True)
class Options(FinishOptions):
    """The options, under the names that the command line gives them. The defaults are preset `official`."""

    score: str = "softmax"  # softmax | logit | sigmoid
    baseline: str = "none"  # none | zero | input | image | fill: whose score is taken off each masked score
    fill: str = "zero"  # zero | image | blur: what shows where a mask is 0
    blur_sigma: float = 10.0  # in input pixels
    weight_norm: str = "none"  # none | softmax | relu | one
    upsample: str = "half-pixel"  # half-pixel | align-corners | bicubic | mirror | nearest
    norm_stage: str = "after"  # after | before: normalise masks after or before upsampling
    norm: str = "minmax"  # minmax | range
    eps: float = 0.0  # added to max - min
    flat: str = "skip"  # skip | zero | keep: a map whose cells are all equal
    pre_relu: bool = False
    select: str = "all"  # all | std | max | list
    select_count: int = 10
    select_list: tuple = ()
    combine: str = "upsampled"  # raw | upsampled | normalized: which maps are weighted and combined
    reduce: str = "sum"  # sum | max | principal
    bias: float = 0.0
    noise: float = 0.0  # SS-CAM: the standard deviation of noise on a mask
    draws: int = 35
    seed: int = 0
    steps: int = 1  # IS-CAM: over how many strengths a mask is scored
    strengths: str = "even"  # even | summed


# Presets reproduce the named implementations; the differences to `official` (the authors' code) are listed.
_SOFTMAX_OF_LOGITS = {"score": "logit", "weight_norm": "softmax"}
_TORCHCAM = {
    **_SOFTMAX_OF_LOGITS, "baseline": "input", "norm_stage": "before", "eps": 1e-8, "flat": "keep",
    "combine": "raw", "final_eps": 1e-8, "output": "layer",
}
PRESETS = {
    "official": {},
    "paper": {"baseline": "zero", "flat": "keep"},
    "paper-alg1": {**_SOFTMAX_OF_LOGITS, "baseline": "zero", "flat": "keep"},
    "torchcam": _TORCHCAM,
    "pytorch-grad-cam": {
        **_SOFTMAX_OF_LOGITS, "upsample": "align-corners", "eps": 1e-8, "flat": "keep", "combine": "raw",
        "final_eps": 1e-7, "order": "norm-resize-norm",
    },
    "tf-keras-vis": {
        "upsample": "align-corners", "eps": 1e-7, "flat": "keep", "combine": "raw", "final_eps": 1e-7,
        "resize": "align-corners",
    },
    "tabayashi": {"norm": "range", "flat": "keep", "combine": "raw", "final": "max", "output": "layer"},
    "yiskw713": {"pre_relu": True, "norm": "range", "flat": "keep", "combine": "normalized"},
    "utkuozbulak": {"combine": "raw", "bias": 1.0, "output": "layer"},
    "tiskw": {
        **_SOFTMAX_OF_LOGITS, "baseline": "input", "upsample": "bicubic", "eps": 1e-10, "flat": "keep",
        "final": "none",
    },
    "xdeep": {"pre_relu": True, "weight_norm": "one"},
    "scam-net": {
        "score": "logit", "upsample": "mirror", "flat": "keep", "combine": "normalized", "reduce": "max",
        "final": "none",
    },
    "faster-score-cam": {"select": "std"},
    "cskip": {"select": "max"},
    "ss-cam": {**_TORCHCAM, "noise": 2.0},
    "is-cam": {**_TORCHCAM, "steps": 10, "strengths": "summed"},
    "interpretdl": {"flat": "keep", "post_relu": False, "final": "none"},
    "matheushent": {"upsample": "mirror", "flat": "zero", "combine": "normalized", "reduce": "max"},
    "bunbunjp": {
        "norm": "range", "flat": "keep", "combine": "raw", "post_relu": False, "final": "max", "output": "layer",
    },
}


def options(preset, settings=()):
    """The options of `preset` with `settings`, a list of "key=value" as the command line takes them."""
    return read_options(Options, PRESETS[preset], settings)


def read_options(kind, preset, settings):
    """An object of dataclass `kind` with the values of a preset and of "key=value" settings."""
    kinds = {f.name: f.type for f in fields(kind)}
    changes = dict(preset)
    for setting in settings:
        key, value = setting.split("=", 1)
        changes[key] = _READERS[kinds[key]](value)
    return replace(kind(), **changes)


_READERS = {
    str: str,
    int: int,
    float: float,
    bool: {"true": True, "false": False}.__getitem__,
    tuple: lambda text: tuple(int(k) for k in text.split(",")),
}


@dataclass(frozen=True)
class Study:
    """What is explained: one class of one image under one model."""

    activations: np.ndarray  # [K, h, w], of the target layer
    image: np.ndarray  # [C, H, W] float32, as the model takes it
    forward: object  # float32 [N, C, H, W] -> [N, classes]
    target: int  # the class
    ending: str = "logits"  # what the model itself applies to its scores: logits | softmax | sigmoid
    reference: np.ndarray = None  # [C, H, W], the image of baseline=image and fill=image


def explain(study, o):
    """The saliency map of `study` under the options `o`, as float64 [height, width]."""
    size = study.image.shape[1:]
    maps = np.asarray(study.activations, np.float64)
    if o.pre_relu:
        maps = np.maximum(maps, 0)
    maps = maps[select(maps, o)]
    flat = maps.max((1, 2)) == maps.min((1, 2))
    upsampled = upsample(maps, size, o.upsample)
    masks = make_masks(maps, upsampled, flat, o)
    small = maps if o.norm_stage == "before" else upsampled
    weights = weigh(mask_scores(study, masks, numbers(maps, small, o), o), o)
    if o.flat == "skip":
        weights = np.where(flat, 0.0, weights)
    if o.reduce == "principal":
        # Of the layer's own cells, however large they are shown; of masks it is not checked.
        combined = reduced(weights[:, None, None] * maps, "principal")
        combined = {"raw": combined, "upsampled": resize(combined, size, o.upsample)}[o.combine]
        return finished(combined + o.bias, study, o)
    parts = {"raw": maps, "upsampled": upsampled, "normalized": masks}[o.combine]
    return finished(reduced(weights[:, None, None] * parts, o.reduce) + o.bias, study, o)


def reduced(parts, how):
    """Weighted maps [K, h, w] as one: their sum, their maximum, or their first principal component, as pytorch-grad-cam's
    `eigen_smooth` has it but for the sign, which is such that it grows with the sum."""
    if how != "principal":
        return parts.sum(0) if how == "sum" else parts.max(0)
    cells = parts.reshape(len(parts), -1).T
    cells = cells - cells.mean(0)
    component = cells @ np.linalg.svd(cells)[2][0]
    return (component * np.sign(component @ cells.sum(1))).reshape(parts.shape[1:])


def select(maps, o):
    """Indices of the activation maps that take part. Among equals the lower index is first."""
    if o.select == "list":
        return list(o.select_list)
    if o.select == "all":
        return list(range(len(maps)))
    key = maps.std((1, 2)) if o.select == "std" else maps.max((1, 2))
    return list(np.argsort(-key, kind="stable")[: o.select_count])


def make_masks(maps, upsampled, flat, o):
    """The masks [K, H, W] that multiply the image."""
    if o.norm_stage == "before":
        masks = upsample(normalise(maps, o), upsampled.shape[1:], o.upsample)
    else:
        masks = normalise(upsampled, o)
    if o.flat == "zero":
        masks[flat] = 0.0
    return masks


def normalise(maps, o):
    """Each map over its range; a range (with eps) of exactly 0 divides by 1."""
    low = maps.min((1, 2), keepdims=True)
    extent = maps.max((1, 2), keepdims=True) - low + o.eps
    return (maps - low if o.norm == "minmax" else maps) / np.where(extent == 0, 1.0, extent)


def numbers(maps, extremes_of, o):
    """The number of each channel's mask: equal ones are one mask, counted in the order in which they come."""
    low = extremes_of.min((1, 2), keepdims=True)
    extent = extremes_of.max((1, 2), keepdims=True) - low + o.eps
    small = (maps - low if o.norm == "minmax" else maps) / np.where(extent == 0, 1.0, extent)
    seen = {}
    return [seen.setdefault((m.astype(np.float32) + 0).tobytes(), len(seen)) for m in small]


def mask_scores(study, masks, which, o):
    """The class score of each masked image, less the baseline; `which` are the masks' numbers."""
    fill = fill_image(study, o)

    def score(mask):
        return class_score(study, mask * study.image + (1 - mask) * fill, o)

    scores = np.array([np.mean([score(v) for v in variants(*pair, o)]) for pair in zip(which, masks)])
    if o.baseline == "none":
        return scores
    zeros = np.zeros_like(study.image)
    image = {"zero": zeros, "input": study.image, "image": study.reference, "fill": zeros + fill}[o.baseline]
    return scores - class_score(study, image, o)


def variants(number, mask, o):
    """The masks over whose scores that of mask `number` is averaged."""
    steps = np.arange(1, o.steps + 1) / o.steps
    strengths = steps if o.strengths == "even" else steps.cumsum()
    for draw in range(o.draws if o.noise > 0 else 1):
        noise = 0.0
        if o.noise > 0:
            seed = draws(o.seed, number * o.draws + draw + 1)[-1]
            noise = o.noise * normal(seed, mask.size).reshape(mask.shape)
        for strength in strengths:
            yield strength * (mask + noise)


def fill_image(study, o):
    """What shows where a mask is 0."""
    if o.fill == "blur":
        return gaussian_blur(study.image.astype(np.float64), o.blur_sigma)
    return study.reference.astype(np.float64) if o.fill == "image" else 0.0


def class_score(study, image, o):
    """Score of the target class. A model that ends in the activation asked for is taken at its word."""
    raw = np.asarray(study.forward(image.astype(np.float32)[None])[0], np.float64)
    if o.score == "softmax" and study.ending != "softmax":
        raw = softmax(raw)
    if o.score == "sigmoid" and study.ending != "sigmoid":
        raw = 1 / (1 + np.exp(-raw))
    return raw[study.target]


def weigh(scores, o):
    """Scores to channel weights."""
    return {
        "none": lambda: scores,
        "softmax": lambda: softmax(scores),
        "relu": lambda: np.maximum(scores, 0),
        "one": lambda: np.ones_like(scores),
    }[o.weight_norm]()


def softmax(values):
    """Softmax of a vector."""
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def finished(combined, study, o):
    """The saliency map of a combined one, by the options that every method shares."""
    if o.post_relu:
        combined = np.maximum(combined, 0)
    return finish(combined, output_size(o, study.image.shape[1:], combined.shape), o)


def output_size(o, input_size, combined_size):
    """The size that the saliency map is to have; `layer` leaves it at the size of what was combined."""
    if o.output == "layer":
        return combined_size
    return input_size if o.output == "input" else tuple(int(n) for n in o.output.split("x"))


def finish(saliency, size, o):
    """Resizes where the size differs, and normalises, in the order that `o` names."""
    if saliency.shape != size:
        if o.order == "resize-norm":
            saliency = resize(saliency, size, o.resize)
        else:
            saliency = resize(final_norm(saliency, o), size, o.resize)
            if o.order == "norm-resize":
                return saliency
    elif o.order == "norm-resize-norm":
        saliency = final_norm(saliency, o)
    return final_norm(np.maximum(saliency, 0) if o.order == "norm-resize-norm" else saliency, o)


def final_norm(saliency, o):
    """The last normalisation; a map whose divisor is 0 has nothing to show and comes out as zeros."""
    if o.final == "none":
        return saliency
    if o.final == "minmax":
        saliency, divisor = saliency - saliency.min(), np.ptp(saliency) + o.final_eps
    else:
        divisor = saliency.max()
    return saliency / divisor if divisor != 0 else np.zeros_like(saliency)


def gaussian_blur(image, sigma):
    """Separable Gaussian of radius ceil(3 sigma), edges mirrored without repeating the border."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    rows, columns = (_blur_matrix(n, kernel, radius) for n in image.shape[1:])
    return rows @ image @ columns.T


def _blur_matrix(n, kernel, radius):
    period = max(2 * (n - 1), 1)
    matrix = np.zeros((n, n))
    for i in range(n):
        for tap, weight in enumerate(kernel, start=i - radius):
            folded = tap % period
            matrix[i, min(folded, period - folded)] += weight
    return matrix


def upsample(maps, size, mode):
    """Each map of [K, h, w] resized; a flat map stays exactly flat, which rounding would otherwise break."""
    wide = resize(maps, size, mode)
    flat = maps.max((1, 2)) == maps.min((1, 2))
    wide[flat] = maps[flat, :1, :1]
    return wide


def resize(maps, size, mode):
    """Maps [..., h, w] to [..., *size]: one small matrix for the rows and one for the columns."""
    rows, columns = (resize_matrix(n, m, mode) for n, m in zip(maps.shape[-2:], size))
    return rows @ maps @ columns.T


def resize_matrix(n_in, n_out, mode):
    """The [n_out, n_in] matrix that resizes one axis."""
    position = sample_positions(n_in, n_out, mode)
    cell = np.floor(position).astype(int)
    past = position - cell
    if mode == "bicubic":
        taps = [(step, cubic(past - step)) for step in (-1, 0, 1, 2)]
    else:
        taps = [(0, 1 - past), (1, past)]
    matrix = np.zeros((n_out, n_in))
    for step, weight in taps:
        np.add.at(matrix, (np.arange(n_out), np.clip(cell + step, 0, n_in - 1)), weight)
    return matrix


def sample_positions(n_in, n_out, mode):
    """Where each output cell lies on the input's axis, in input cells."""
    i = np.arange(n_out)
    if mode == "nearest":
        return (i * n_in // n_out).astype(float)
    if mode == "align-corners":
        return i * ((n_in - 1) / max(n_out - 1, 1)) if n_out > 1 else np.zeros(1)
    centre = (i + 0.5) * n_in / n_out - 0.5
    if mode == "half-pixel":
        return np.clip(centre, 0, n_in - 1)
    if mode == "mirror":
        centre = np.abs(centre)
        return np.where(centre > n_in - 1, 2 * (n_in - 1) - centre, centre)
    return centre


def cubic(distance):
    """Keys' convolution kernel with a = -0.75."""
    a, d = -0.75, np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))
