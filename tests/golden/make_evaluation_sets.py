"""Makes `evaluation_sets.json`: what `scorecam evaluate` says of whole sets of photos, by evaluation.py.

    python make_evaluation_sets.py

Each of the photos has a size, boxes or a mask, and a map of the toy model's input, 32 x 32. A photo that is wider than high is
seen by its center, so boxes are compared in the photo, and pixels in the input. Maps are multiples of 1/256, so that they are
the same in f32.
"""

import json
import os

import evaluation as e
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE = 32


def bump(y, x, width, seed):
    ys, xs = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(seed).random((SIDE, SIDE))
    return np.round(256 * (np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / width) + 0.4 * noise)) / 256


def crop(width, height):
    """The part of a photo that the model sees, as x, y, width, height: the square in its center."""
    side = min(width, height)
    return [(width - side) / 2, (height - side) / 2, side, side]


def region(boxes, size, part):
    """Of the boxes of a photo, in the input."""
    inside = np.zeros((SIDE, SIDE), bool)
    ys, xs = (np.mgrid[:SIDE, :SIDE] + 0.5)
    for box in boxes:
        x0, y0, x1, y1 = e.carried(box, part, [0, 0, SIDE, SIDE], [SIDE, SIDE])
        inside |= (x0 <= xs) & (xs < x1) & (y0 <= ys) & (ys < y1)
    return inside


PHOTOS = [
    {"size": [32, 32], "boxes": [[8, 8, 20, 22]], "map": bump(15, 13, 40, 1)},
    {"size": [32, 32], "boxes": [[2, 3, 12, 12], [20, 18, 31, 30]], "map": bump(24, 25, 30, 2)},
    {"size": [96, 64], "boxes": [[10, 6, 60, 50]], "map": bump(12, 9, 70, 3)},
    {"size": [64, 32], "boxes": [[20, 4, 44, 30]], "map": bump(3, 29, 15, 4)},
    {"size": [32, 32], "boxes": [[0, 0, 32, 32]], "map": np.zeros((SIDE, SIDE))},
]


def overlaps(photo, areas):
    """The best IoU at each threshold, in the photo."""
    width, height = photo["size"]
    found = [e.boxes(e.normalized(photo["map"]), i * 0.01, "strictly", areas) for i in range(100)]
    on_photo = lambda box: e.carried(box, [0, 0, SIDE, SIDE], crop(width, height), [height, width])
    return [e.best_iou([on_photo(box) for box in boxes], photo["boxes"]) for boxes in found]


def best(all_overlaps, least):
    shares = (np.array(all_overlaps) >= least).mean(0)
    return [float(shares.max()), round(int(shares.argmax()) * 0.01, 2)]


def main():
    largest, every = ([overlaps(photo, areas) for photo in PHOTOS] for areas in ["largest", "all"])
    v2 = [best(every, least) for least in (0.3, 0.5, 0.7)]
    regions = [region(photo["boxes"], photo["size"], crop(*photo["size"])) for photo in PHOTOS]
    pxap = e.pixel_precision([photo["map"] for photo in PHOTOS], regions)
    found = {
        "photos": [
            {"size": photo["size"], "boxes": photo["boxes"], "map": (256 * photo["map"]).astype(int).ravel().tolist()}
            for photo in PHOTOS
        ],
        "parts": 256,
        "max-box-acc": best(largest, 0.5),
        "max-box-acc-v2": [float(np.mean([share for share, _ in v2])), *(threshold for _, threshold in v2)],
        "pxap": [float(pxap)],
    }
    with open(os.path.join(HERE, "evaluation_sets.json"), "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


main()
