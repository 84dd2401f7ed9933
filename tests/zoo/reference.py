"""Score-CAM as its authors' code computes it, in numpy: what the zoo's maps are compared with.

Written from the definition and without the engine's code. Each map is upsampled to the image's size (bilinear,
half-pixel centers, edges repeated) and normalized to [0, 1]; flat maps are skipped; a map's weight is the
class's softmax probability of the image times the normalized map; the result is the weighted sum of the
upsampled maps, cut off below zero and normalized.
"""

import numpy as np

BATCH = 8


def score_cam(maps, image, scores_of, target, count):
    """The saliency map [H, W] of `maps` [K, h, w], of which the `count` with the greatest maxima take part.

    `scores_of` takes images [N, 3, H, W] and returns logits [N, classes].
    """
    maps = maps.astype(np.float64)
    strongest = np.argsort(-maps.max((1, 2)), kind="stable")[:count]
    upsampled = upsample(maps[strongest], image.shape[1:])
    low, high = upsampled.min((1, 2)), upsampled.max((1, 2))
    live = high > low
    upsampled, low, high = upsampled[live], low[live], high[live]
    masks = (upsampled - low[:, None, None]) / (high - low)[:, None, None]
    weights = []
    for start in range(0, len(masks), BATCH):
        masked = masks[start : start + BATCH, None] * image[None]
        weights.append(softmax(scores_of(masked.astype(np.float32)))[:, target])
    summed = np.tensordot(np.concatenate(weights), upsampled, 1) if weights else np.zeros(image.shape[1:])
    return stretch(np.maximum(summed, 0))


def upsample(maps, size):
    rows, columns = (weights(inner, outer) for inner, outer in zip(maps.shape[1:], size))
    return np.einsum("yi,kij,xj->kyx", rows, maps, columns, optimize=True)


def weights(inner, outer):
    """The share [outer, inner] that each of `inner` cells has in each of `outer` pixels."""
    centers = np.clip((np.arange(outer) + 0.5) * inner / outer - 0.5, 0, inner - 1)
    return np.maximum(0, 1 - np.abs(centers[:, None] - np.arange(inner)))


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def stretch(values):
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
