"""Measures whether RISE's standard error covers its true error: `python rise_error.py MODEL.onnx PHOTO...`.

The map of many masks (50000) stands for the true one. Maps of few masks (1000), from seeds of their own, are compared with it:
the share of pixels that are within two of their own standard errors is printed for each photo, over all seeds, for scores as
they are and about their mean. An interval of two standard errors should hold 95 % of them, and at least 90 %.

The model takes [N, 3, S, S] and gives logits; photos are resized to S x S and brought to ImageNet's mean and deviation. Needs
numpy, onnxruntime and pillow. It is no test: 60000 passes for each photo.
"""

import argparse
from dataclasses import replace

import numpy as np

from reference import softmax
from rise import RiseOptions, estimate, random_masks

BATCH = 100


def main():
    parser = argparse.ArgumentParser(description="Measures whether RISE's standard error covers its true error.")
    parser.add_argument("model")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--masks", type=int, default=50000, help="of the map that stands for the true one")
    parser.add_argument("--few", type=int, default=1000, help="masks of the maps that are judged")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--probability", type=float, default=0.5)
    arguments = parser.parse_args()

    import onnxruntime

    session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    name, size = session.get_inputs()[0].name, session.get_inputs()[0].shape[2:]
    for photo in arguments.photos:
        image = read(photo, size)
        target = int(session.run(None, {name: image[None]})[0][0].argmax())

        def run(batch):
            return np.array([softmax(row)[target] for row in session.run(None, {name: batch})[0].astype(np.float64)])

        o = RiseOptions(cells=arguments.cells, probability=arguments.probability)
        truth = {center: true_map(image, run, replace(o, passes=arguments.masks, center=center)) for center in (False, True)}
        covered = {False: [], True: []}
        for seed in range(1, arguments.seeds + 1):
            masks, scores = scored(image, run, replace(o, passes=arguments.few, seed=seed))
            for center in covered:
                saliency, errors = estimate(masks, scores, replace(o, center=center))
                covered[center].append(np.mean(np.abs(saliency - truth[center]) <= 2 * errors))
        for center, shares in covered.items():
            words = " ".join(f"{share:.2f}" for share in shares)
            print(f"{photo} class {target} center={center}: {np.mean(shares):.3f} within two ({words})", flush=True)


def read(photo, size):
    from PIL import Image

    pixels = np.asarray(Image.open(photo).convert("RGB").resize(size[::-1]), np.float32) / 255
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return np.ascontiguousarray(((pixels - mean) / deviation).transpose(2, 0, 1))


def scored(image, run, o):
    masks = np.array(list(random_masks(image.shape[1:], o)))
    batches = [masks[i : i + BATCH] for i in range(0, len(masks), BATCH)]
    return masks, np.concatenate([run((m[:, None] * image).astype(np.float32)) for m in batches])


def true_map(image, run, o, cache={}):
    """The map of many masks. Masks and scores are kept for the next call, which may center them."""
    key = (image.tobytes(), o.passes, o.cells, o.probability)
    if cache.get("key") != key:
        cache.update(key=key, found=scored(image, run, o))
    masks, scores = cache["found"]
    return np.einsum("n,nyx->yx", scores - scores.mean() * o.center, masks) / (len(masks) * o.probability)


if __name__ == "__main__":
    main()
