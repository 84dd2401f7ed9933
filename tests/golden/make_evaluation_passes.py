"""Makes `evaluation_passes.json`: what `evaluation.py` says of maps whose images a model scores.

    python make_evaluation_passes.py --photo chelsea.png --efficientnet-lite0 efficientnet_lite0.onnx

The toy network's scores are those of `toy.py`, EfficientNet-Lite0's those of ONNX Runtime. Maps are made of whole numbers
(`pyramid`), so that a test makes the same ones. `kept`, `deletion` and `insertion` are scores, `areas` those of the curves,
`road` is ROAD without noise at two percentiles, of the toy network alone.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import evaluation as e
from make import TappedOnnx, real_input
from toy import Toy

HERE = Path(__file__).parent
PEAKS = {"one": [(0.4, 0.6, 1.0)], "two": [(0.25, 0.25, 0.5), (0.7, 0.65, 0.75)]}
PERCENTILES = [30, 80]


def pyramid(size, peaks):
    """The greatest of pyramids around points, each given as shares of the sides and the length of its base."""
    h, w = size
    at = np.mgrid[:h, :w]
    values = np.zeros(size)
    for y, x, reach in peaks:
        base = int(reach * min(h, w))
        values = np.maximum(values, base - np.abs(at[0] - int(y * h)) - np.abs(at[1] - int(x * w)))
    return values / 64


def class_score(logits, c, kind):
    z = np.asarray(logits, np.float64)
    if kind == "logit":
        return z[:, c]
    z = np.exp(z - z.max(1, keepdims=True))
    return (z / z.sum(1, keepdims=True))[:, c]


def case(model, image, forward, c, name, preset, road):
    o, size = e.PROTOCOLS[preset], image.shape[-2:]
    m = pyramid(size, PEAKS[name])

    def score(images):
        outputs = [forward(np.asarray(batch, np.float32)) for batch in np.array_split(images, -(-len(images) // 16))]
        return class_score(np.concatenate(outputs), c, o["score"])

    y = score(image[None])[0]
    kept = score((image * e.mask(m, o["mask"], o["ties"]))[None])[0]
    at, order = e.counts(size, o["points"]), e.ranks(m, o["ties"]).reshape(size)
    row = {"model": model, "class": c, "map": name, "preset": preset, "score": y, "kept": kept,
           "drop": e.drop(y, kept, o["drop"]), "increase": bool(y < kept), "gain": e.gain(y, kept), "areas": []}
    for way in ("deletion", "insertion"):
        base = e.fill(image[None].astype(np.float64), o[way])[0]
        first, last = (image, base) if way == "deletion" else (base, image)
        scores = score(np.stack([np.where(order < count, last, first) for count in at]))
        row[way] = list(map(float, scores))
        row["areas"].append(e.area(at, scores, o["area"]))
    if road:
        images = np.concatenate(e.road_images(image[None].astype(np.float64), m, PERCENTILES, 0.0, 0))
        row["road"] = [float(v) for v in e.road_score(y, score(images))]
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--photo", required=True)
    parser.add_argument("--efficientnet-lite0", required=True)
    args = parser.parse_args()
    toy = Toy(HERE / "toy/plain.toy")
    image = np.load(HERE / "toy/input-3x32x32.npy")
    cases = [case("toy", image, toy.forward, 3, name, preset, preset == "paper") for name in PEAKS for preset in e.PROTOCOLS]
    crop = json.loads((HERE / "onnx.json").read_text())["inputs"]["efficientnet-lite0"]
    image = real_input(args.photo, **crop)
    session = TappedOnnx(args.efficientnet_lite0).session

    def real(batch):
        return session.run(["logits"], {"input": batch})[0]

    best = int(real(image[None])[0].argmax())
    cases += [case("efficientnet-lite0", image, real, best, "two", preset, False) for preset in e.PROTOCOLS]
    (HERE / "evaluation_passes.json").write_text(json.dumps({"peaks": PEAKS, "percentiles": PERCENTILES, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
