"""What a target's value is, in numpy at double precision: detectors' formats, NMS, D-RISE similarity and every target.

This file is the yardstick of the values, so it is written to be read: one function for each step, and loops where they are
plain. `Output` holds the keys of a manifest's [output] table, `candidates` reads a detector's raw outputs, `detections` is
its list after NMS, and `target` makes of the words of a target a function from raw outputs to its value.

Raw outputs are those of one image, by name, each [1, ...] as the model gives it; the lists of a torchvision detector have no
such axis. Boxes are x0, y0, x1, y1 in pixels of the model's input.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

# Length of the one-hot vectors of detectors that name one class for each box; larger than any label.
LABELS = 100


@dataclass(frozen=True)
class Output:
    """The keys of `[output]` in a manifest that matter here. What is None depends on the format."""

    kind: str = "classes"  # classes | value | embedding | segments | detections
    format: str = None  # yolov5 | yolov8 | end-to-end | ssd | detr | boxes-scores | fastestdet
    name: str = None  # the one tensor of the other formats and kinds; the first one where None
    boxes: str = None
    class_scores: str = None
    labels: str = None
    activated: bool = None  # whether class scores are probabilities already; all are by default, but detr's
    box_form: str = None  # xyxy | cxcywh | xywh
    box_scale: str = None  # pixels | relative
    score_threshold: float = 0.25
    iou_threshold: float = 0.45
    limit: int = 100


@dataclass(frozen=True)
class Candidates:
    """All rows of a detector's raw list: boxes [n, 4], objectness [n], class probabilities [n, C], and scores for NMS [n]."""

    boxes: np.ndarray
    objectness: np.ndarray
    probabilities: np.ndarray
    scores: np.ndarray

    @property
    def classes(self):
        """The best class of each; among equals the lower one."""
        return self.probabilities.argmax(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def one_hot(classes, width=LABELS):
    return np.eye(width)[np.asarray(classes, int)]


# ---- detectors ----


def candidates(raw, output, size):
    """The candidates in the raw outputs of one image, for a model whose input is `size` = (height, width) pixels."""
    return FORMATS[output.format](raw, output, size)


def yolov5(raw, output, size):
    """[n, 5 + C]: box, objectness, class probabilities."""
    rows = tensor(raw, output.name)
    scores = rows[:, 4:] if output.activated is not False else sigmoid(rows[:, 4:])
    return scored(boxes(rows[:, :4], output, "cxcywh", "pixels", size), scores[:, 0], scores[:, 1:])


def yolov8(raw, output, size):
    """[4 + C, n]: box, class probabilities."""
    rows = tensor(raw, output.name).T
    scores = rows[:, 4:] if output.activated is not False else sigmoid(rows[:, 4:])
    return scored(boxes(rows[:, :4], output, "cxcywh", "pixels", size), np.ones(len(rows)), scores)


def end_to_end(raw, output, size):
    """[n, 6]: box, score, number of the class."""
    rows = tensor(raw, output.name)
    return scored(boxes(rows[:, :4], output, "xyxy", "pixels", size), rows[:, 4], one_hot(rows[:, 5].round()))


def ssd(raw, output, size):
    """Boxes [n, 4] and scores [n, 1 + C]; column 0 is the background, and class 0 is column 1."""
    scores = tensor(raw, output.class_scores)
    scores = scores if output.activated is not False else softmax(scores, 1)
    corners = boxes(tensor(raw, output.boxes), output, "xyxy", "relative", size)
    return scored(corners, np.ones(len(scores)), scores[:, 1:])


def detr(raw, output, size):
    """Boxes [n, 4] and logits [n, C + 1]; the last column is "no object"."""
    scores = tensor(raw, output.class_scores)
    scores = scores if output.activated else softmax(scores, 1)
    corners = boxes(tensor(raw, output.boxes), output, "cxcywh", "relative", size)
    return scored(corners, np.ones(len(scores)), scores[:, :-1])


def boxes_scores(raw, output, size):
    """Boxes [n, 4], labels [n] and scores [n] of one image, without an axis for the batch."""
    listed, labels, scores = (np.asarray(raw[n], np.float64) for n in (output.boxes, output.labels, output.class_scores))
    return scored(boxes(listed, output, "xyxy", "pixels", size), scores, one_hot(labels))


def fastestdet(raw, output, size):
    """[5 + C, H, W]: objectness, tx, ty, tw, th, class probabilities. Candidate y * W + x is the cell at (x, y)."""
    maps = tensor(raw, output.name)
    height, width = maps.shape[1:]
    y, x = np.mgrid[:height, :width]
    cells = [(x + np.tanh(maps[1])) / width, (y + np.tanh(maps[2])) / height, sigmoid(maps[3]), sigmoid(maps[4])]
    rows = np.stack(cells).reshape(4, -1).T
    objectness, probabilities = maps[0].ravel(), maps[5:].reshape(len(maps) - 5, -1).T
    ranks = objectness**0.6 * probabilities.max(1) ** 0.4
    return Candidates(boxes(rows, output, "cxcywh", "relative", size), objectness, probabilities, ranks)


FORMATS = {
    "yolov5": yolov5, "yolov8": yolov8, "end-to-end": end_to_end, "ssd": ssd, "detr": detr, "boxes-scores": boxes_scores,
    "fastestdet": fastestdet,
}
# Formats that suppress nothing, since their models give each object once.
ONCE = ("end-to-end", "detr")


def tensor(raw, name):
    """The one image's rows of an output [1, ...]."""
    return np.asarray(raw[name] if name else next(iter(raw.values())), np.float64)[0]


def scored(corners, objectness, probabilities):
    """Candidates whose score is objectness times the best class's probability."""
    best = probabilities.max(1) if len(probabilities) else np.zeros(0)
    return Candidates(corners, objectness, probabilities, objectness * best)


def boxes(rows, output, form, scale, size):
    """Rows [n, 4] as x0, y0, x1, y1 in pixels; `form` and `scale` are the format's own."""
    form, scale = output.box_form or form, output.box_scale or scale
    first, second = rows[:, :2], rows[:, 2:]
    if form == "cxcywh":
        first, second = first - second / 2, first + second / 2
    elif form == "xywh":
        second = first + second
    height, width = size
    return np.concatenate([first, second], 1) * ([width, height, width, height] if scale == "relative" else 1.0)


def iou(box, others):
    """Intersection over union of one box with each of [n, 4]; 0 where the union is empty."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.maximum(high - low, 0), 1)
    area = [np.prod(np.maximum(b[..., 2:] - b[..., :2], 0), -1) for b in (box, others)]
    union = area[0] + area[1] - both
    return both / np.where(union > 0, union, 1)


def kept(found, output):
    """Indices of the candidates that are detections: above the threshold, best first, and greedily by class."""
    order = np.argsort(-found.scores, kind="stable")
    chosen = []
    for j in order[found.scores[order] > output.score_threshold]:
        rivals = [i for i in chosen if found.classes[i] == found.classes[j] and output.format not in ONCE]
        if not rivals or iou(found.boxes[j], found.boxes[rivals]).max() <= output.iou_threshold:
            chosen.append(j)
    return chosen[: output.limit]


def detections(found, output):
    """The list after NMS: rows of x0, y0, x1, y1, class, score."""
    return [[*found.boxes[j], int(found.classes[j]), found.scores[j]] for j in kept(found, output)]


def similarity(box, vector, found):
    """D-RISE (arXiv 2006.03204, equation 5): the best of IoU * cosine of class probabilities * objectness; 0 without any.

    Without a `vector` there is no cosine.
    """
    products = iou(box, found.boxes) * found.objectness
    if vector is not None:
        products = products * [cosine(vector, p) for p in found.probabilities]
    return products.max(initial=0.0)


def cosine(a, b):
    """Cosine similarity; 0 if a vector is 0."""
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / lengths if lengths > 0 else 0.0


# ---- targets ----


def target(words, output, own, size, reference=None, mask=None):
    """The function of raw outputs that `words` mean.

    `own` are the raw outputs of the unmasked image, `size` the input's (height, width), `reference` the raw outputs of a
    reference image, and `mask` a gray picture [height, width] of values 0..255.
    """
    word, _, rest = words.partition(":")
    if word in ("box", "candidate"):
        return {"box": box_target, "candidate": candidate_target}[word](rest, output, own, size)
    if word == "region":
        return region_target(rest, output, own, mask)
    if word == "like":
        pattern = tensor(reference, output.name).ravel()
        return lambda raw: cosine(tensor(raw, output.name).ravel(), pattern)
    weights = class_weights(word, rest)
    return lambda raw: sum(weight * tensor(raw, output.name).ravel()[c] for c, weight in weights)


def class_weights(word, rest):
    """A target that is a weighted sum of raw outputs: pairs of class and weight."""
    if word == "value":
        return [(0, -1.0 if rest == "down" else 1.0)]
    if word in ("class", "not"):
        return [(int(rest), 1.0 if word == "class" else -1.0)]
    if word in ("sum", "mean"):
        classes = [int(c) for c in rest.split("+")]
        return [(c, 1.0 if word == "sum" else 1 / len(classes)) for c in classes]
    assert word == "contrast", word
    side, _, strength = rest.partition("*")
    one, others = side.split("-")
    others = [int(c) for c in others.split(",")]
    return [(int(one), 1.0)] + [(c, -float(strength or 1) / len(others)) for c in others]


def region_target(rest, output, own, mask):
    """`MASK`, `MASK:class`, `predicted` or `predicted:class`: the mean over cells of one class's map."""
    maps = score_maps(own, output)
    where, _, named = rest.partition(":")
    if len(maps) == 1:
        label, inside = 0, maps[0] > 0
    else:
        winners = maps.argmax(0)
        # Class 0 is the background, unless nothing else is there.
        label = int(named) if named else most_frequent(winners[winners > 0] if winners.any() else winners)
        inside = winners == label
    if where != "predicted":
        inside = at_centers(mask, maps.shape[1:]) > 127
        if not named and len(maps) > 1:
            label = most_frequent(winners[inside])
    assert inside.any(), "an empty region"
    return lambda raw: score_maps(raw, output)[label][inside].mean()


def score_maps(raw, output):
    """Maps [classes, H, W] of an output [1, classes, H, W] or [1, H, W]."""
    maps = tensor(raw, output.name)
    return maps[None] if maps.ndim == 2 else maps


def most_frequent(labels):
    """Among equals the lowest one."""
    return min(Counter(labels.ravel().tolist()).items(), key=lambda item: (-item[1], item[0]))[0]


def at_centers(picture, size):
    """The picture's pixel that holds each cell's center; a center between two pixels lies in the right or lower one."""
    rows, columns = ((2 * np.arange(n) + 1) * side // (2 * n) for n, side in zip(size, picture.shape))
    return picture[np.ix_(rows, columns)]


def box_target(rest, output, own, size):
    """`INDEX` or `x0,y0,x1,y1[:class]`: the similarity to a detection of the unmasked image, or to a box."""
    place, _, named = rest.partition(":")
    found = candidates(own, output, size)
    if "," in place:
        box = np.array([float(v) for v in place.split(",")])
        vector = one_hot(int(named), found.probabilities.shape[1]) if named else None
    else:
        j = kept(found, output)[int(place)]
        box, vector = found.boxes[j], found.probabilities[j]
    return lambda raw: similarity(box, vector, candidates(raw, output, size))


def candidate_target(rest, output, own, size):
    """`J` or `J:class`: objectness times the class's probability in one row; 0 if a list does not reach that far."""
    index, _, named = rest.partition(":")
    j = int(index)
    label = int(named) if named else candidates(own, output, size).classes[j]

    def value(raw):
        found = candidates(raw, output, size)
        return found.objectness[j] * found.probabilities[j, label] if j < len(found.objectness) else 0.0

    return value


def cotangents(value, raw, names, step=2e-7):
    """The derivative of `value` with respect to the raw outputs `names`, by central differences.

    Half the step must give the same. At a kink that is even, as where a box meets itself, both sides cancel: that counts as
    a slope of 0, as it does in PyTorch, whose `minimum` and `maximum` share the slope between equals.
    """
    raw = {name: np.asarray(array, np.float64) for name, array in raw.items()}

    def slope(name, place, step):
        ends = []
        for sign in (1, -1):
            moved = raw[name].copy()
            moved[place] += sign * step
            ends.append(value({**raw, name: moved}))
        return (ends[0] - ends[1]) / (2 * step)

    found = {}
    for name in names:
        coarse, fine = (
            np.array([slope(name, p, s) for p in np.ndindex(raw[name].shape)]).reshape(raw[name].shape)
            for s in (step, step / 2)
        )
        if np.abs(coarse - fine).max(initial=0) > 1e-5 * max(1.0, np.abs(fine).max(initial=0)):
            raise ValueError(f"{name} lies on a kink")
        slopes = 2 * fine - coarse  # without what shrinks with the step
        found[name] = np.where(np.abs(slopes) < 2e-8, 0.0, slopes)  # less is rounding
    return found
