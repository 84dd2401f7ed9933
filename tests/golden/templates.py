"""Makes the maps of the method templates, `templates/*.npy`, by numpy alone: `python templates.py`.

Eigen-CAM (arXiv 2008.00299) is the first principal component of the activation maps; RISE (arXiv 1806.07421) the mean of
random masks, each times the score of the image that it lets through. Both are of the best class of `toy/plain.toy`.
"""

from pathlib import Path

import numpy as np

from reference import resize, softmax
from toy import Toy

HERE = Path(__file__).parent
RISE = {"masks": 48, "cells": 4, "keep": 0.4, "seed": 3}


def scaled(saliency):
    return (saliency - saliency.min()) / np.ptp(saliency)


def eigen_cam(toy, image):
    maps = np.asarray(toy.taps(image[None])["features"][0], np.float64)
    flat = maps.reshape(len(maps), -1).T
    left, singular, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    common = (left[:, 0] * singular[0]).reshape(maps.shape[1:])
    common = common * np.sign((common * maps.sum(0)).sum())
    return scaled(resize(np.maximum(common, 0), image.shape[1:], "half-pixel"))


def rise(toy, image, masks, cells, keep, seed):
    height, width = image.shape[1:]
    rows, columns = -(-height // cells), -(-width // cells)
    random = mersenne_twister(seed)
    best = int(np.argmax(toy.forward(image[None])[0]))
    saliency = np.zeros((height, width))
    for _ in range(masks):
        grid = [(next(random) >> 11) * 2.0**-53 < keep for _ in range((cells + 1) ** 2)]
        grid = np.array(grid, np.float64).reshape(cells + 1, cells + 1)
        x, y = next(random) % columns, next(random) % rows
        large = resize(grid, ((cells + 1) * rows, (cells + 1) * columns), "half-pixel")
        mask = large[y : y + height, x : x + width]
        outputs = np.asarray(toy.forward((image * mask)[None].astype(np.float32))[0], np.float64)
        saliency += softmax(outputs)[best] * mask
    return scaled(saliency)


def mersenne_twister(seed):
    """The numbers of C++'s std::mt19937_64."""
    state = [seed]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ state[-1] >> 62) + i) % 2**64)
    while True:
        for i in range(312):
            joined = state[i] & ~0x7FFFFFFF & 2**64 - 1 | state[(i + 1) % 312] & 0x7FFFFFFF
            state[i] = state[(i + 156) % 312] ^ joined >> 1 ^ (0xB5026F5AA96619E9 if joined & 1 else 0)
        for value in state:
            value ^= value >> 29 & 0x5555555555555555
            value ^= value << 17 & 0x71D67FFFEDA60000
            value ^= value << 37 & 0xFFF7EEE000000000 & 2**64 - 1
            yield (value ^ value >> 43) & 2**64 - 1


def main():
    random = mersenne_twister(5489)
    assert [next(random) for _ in range(10000)][-1] == 9981545732273789042, "the standard says so"
    toy, image = Toy(HERE / "toy/plain.toy"), np.load(HERE / "toy/input-3x32x32.npy").reshape(3, 32, 32)
    np.save(HERE / "templates/my-eigen-cam.npy", eigen_cam(toy, image).astype(np.float32))
    np.save(HERE / "templates/my-rise.npy", rise(toy, image, **RISE).astype(np.float32))


if __name__ == "__main__":
    main()
