"""What others' code gives for the same arrays: `python peers.py`, which writes `peers.json`.

Needs torch, torchvision, numpy and, installed with --no-deps, grad-cam 1.5.7 and vision-explanation-methods 0.1.1 (both MIT).
Of these two only the files with the targets and the similarity are loaded. A row holds the number of the peer, that of
`readers.py` for the nearest target of ours, and a `formula` that makes the first of the second; the script asserts it.
"""

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
import torch

import readers
from readers import Output
from store import write_index

HERE = Path(__file__).resolve().parent
SIZE = (32, 32)


def main():
    peers = {
        "grad-cam": "pytorch_grad_cam/utils/model_targets.py",
        "vision-explanation-methods": "vision_explanation_methods/explanations/common.py",
    }
    cam, drise = (module_of(package, file) for package, file in peers.items())
    rows = [*classifiers(cam), *segmentation(cam), *detector(cam), *similarities(drise)]
    for row in rows:
        assert abs(row["peer"] - row.pop("by_formula")) < 1e-5, row
    versions = {name: importlib.metadata.version(name) for name in [*peers, "torch", "torchvision", "numpy"]}
    write_index({"versions": versions, "rows": rows}, HERE / "peers.json")


def module_of(package, file):
    """One file of a package, without what its `__init__` imports."""
    path = importlib.metadata.distribution(package).locate_file(file)
    spec = importlib.util.spec_from_file_location(Path(file).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(seed, *shape):
    """Numbers of two decimals."""
    return np.round(np.random.default_rng(seed).normal(0, 2, shape), 2)


def row(peer, found, target, ours, formula, by_formula, **arrays):
    """A row; `arrays` are what both have read."""
    return {
        "peer_code": peer, "peer": float(found), "target": target, "ours": float(ours), "formula": formula,
        "by_formula": float(by_formula), "arrays": {name: np.asarray(a).tolist() for name, a in arrays.items()},
    }


def ours_of(words, raw, **more):
    """The value of a target in a model with one output."""
    raw = {"output": raw[None]}
    return readers.target(words, more.pop("output", Output()), raw, SIZE, **more)(raw)


def classifiers(cam):
    y = draw(1, 6)
    given = torch.from_numpy(y)
    p = readers.softmax(y, 0)
    for target, words, formula, by_formula in [
        (cam.ClassifierOutputTarget(2), "class:2", "ours", lambda v: v),
        (cam.ClassifierOutputSoftmaxTarget(2), "class:2", "softmax of the class scores", lambda v: p[2]),
        # Not a difference of two scores, so no target of ours alone gives it.
        (cam.ClassifierOutputReST(2), "class:2", "ours + log(softmax(y)[2])", lambda v: v + np.log(p[2])),
        # Its weights are probabilities; ours are equal. With one rival both agree.
        (cam.FinerWeightedTarget(2, [4], 0.6), "contrast:2-4*0.6", "ours", lambda v: v),
        (cam.FinerWeightedTarget(2, [0, 4], 0.6), "contrast:2-0,4*0.6",
         "y[2] - 0.6 (p[0] y[0] + p[4] y[4]) / (p[0] + p[4]), p = softmax(y); ours has (y[0] + y[4]) / 2",
         lambda v: y[2] - 0.6 * (p[0] * y[0] + p[4] * y[4]) / (p[0] + p[4])),
    ]:
        ours = ours_of(words, y)
        yield row(type(target).__name__, target(given), words, ours, formula, by_formula(ours), y=y)
    number = draw(2, 1)
    for side, words in [(1, "value"), (0, "value:down")]:
        found = cam.BinaryClassifierOutputTarget(side)(torch.from_numpy(number))
        ours = ours_of(words, number)
        yield row(f"BinaryClassifierOutputTarget({side})", found, words, ours, "ours", ours, y=number)
    # As in the package's tutorial on embeddings, where this target is three lines of the reader's own.
    a, b = draw(3, 8), draw(4, 8)
    found = torch.nn.CosineSimilarity(dim=0)(torch.from_numpy(a), torch.from_numpy(b))
    ours = ours_of("like:B", a, reference={"output": b[None]})
    yield row("SimilarityToConceptTarget", found, "like:B", ours, "ours", ours, A=a, B=b)


def segmentation(cam):
    maps, mask = draw(5, 3, 4, 4), np.random.default_rng(6).integers(0, 2, (4, 4))
    found = cam.SemanticSegmentationTarget(1, mask)(torch.from_numpy(maps))
    ours = ours_of("region:MASK:1", maps, mask=mask * 255)
    yield row("SemanticSegmentationTarget", found, "region:MASK:1", ours, "ours * number of the mask's cells",
              ours * mask.sum(), maps=maps, mask=mask)


def detector(cam):
    """IoU and score are added, of the box with the best IoU alone, and only above IoU 0.5 and with the same label."""
    boxes = np.array([[2, 3, 14, 15], [3, 3, 15, 15], [18, 6, 30, 20], [16, 5, 28, 22]], float)
    labels, scores = np.array([1, 1, 2, 3]), np.array([0.9, 0.6, 0.8, 0.7])
    raw = {"boxes": boxes, "labels": labels, "scores": scores}
    output = Output(format="boxes-scores", boxes="boxes", labels="labels", class_scores="scores")
    given = {name: torch.from_numpy(array) for name, array in raw.items()}
    for box, label, formula in [
        ([2, 3, 14, 15], 1, "IoU + score = 1 + ours, as the best box is the target itself"),
        ([4, 3, 15, 16], 1, "IoU + score of box 1, which has the best IoU; ours is the best IoU * score of label 1: box 0"),
        ([16, 5, 27, 21], 2, "0, as the box with the best IoU has another label; ours is IoU * score of box 2"),
        ([9, 9, 21, 21], 1, "0, as no IoU is above 0.5; ours is IoU * score of the best box of the label"),
    ]:
        target = cam.FasterRCNNBoxScoreTarget([label], [np.array(box, float)])
        words = f"box:{','.join(map(str, box))}:{label}"
        ours = readers.target(words, output, raw, SIZE)(raw)
        overlap = readers.iou(np.array(box, float), boxes)
        best = overlap.argmax()
        counts = overlap[best] > 0.5 and labels[best] == label
        yield row("FasterRCNNBoxScoreTarget", target(given), words, ours, formula,
                  overlap[best] + scores[best] if counts else 0.0, **raw)


def similarities(drise):
    """Microsoft's D-RISE multiplies by the objectness of the target as well; the paper's equation 5 does not."""
    random = np.random.default_rng(7)
    center, size = random.uniform(8, 24, (6, 2)), random.uniform(6, 14, (6, 2))
    rows = np.round(np.concatenate([center, size, random.uniform(0, 1, (6, 4))], 1), 2)
    found = readers.candidates({"output": rows[None]}, Output(format="yolov5"), SIZE)
    output = Output(format="yolov5", score_threshold=0.0, iou_threshold=1.0)
    order = readers.kept(found, output)
    record = drise.DetectionRecord(*(torch.from_numpy(a) for a in (found.boxes, found.objectness, found.probabilities)))
    # Another image's detections: the same ones moved, with other scores.
    moved = np.round(rows * [1, 1, 1.1, 0.9, 0.7, 0.8, 1, 0.5] + [1, -1, 0, 0, 0, 0, 0, 0], 3)
    other = readers.candidates({"output": moved[None]}, output, SIZE)
    there = drise.DetectionRecord(*(torch.from_numpy(a) for a in (other.boxes, other.objectness, other.probabilities)))
    for index in range(3):
        j = order[index]
        peer = drise.compute_affinity_matrix(record.get_by_index([j]), there).max()
        ours = readers.target(f"box:{index}", output, {"output": rows[None]}, SIZE)({"output": moved[None]})
        yield row("compute_affinity_scores", peer, f"box:{index}", ours, "ours * objectness of the target",
                  ours * found.objectness[j], unmasked=rows, masked=moved)
        peer = drise.compute_affinity_matrix(record.get_by_index([j]), there, exclude_class=True).max()
        words = "box:" + ",".join(repr(float(v)) for v in found.boxes[j])
        ours = readers.target(words, output, {"output": rows[None]}, SIZE)({"output": moved[None]})
        yield row("compute_affinity_matrix(exclude_class)", peer, words, ours, "ours * objectness of the target",
                  ours * found.objectness[j], unmasked=rows, masked=moved)


if __name__ == "__main__":
    main()
