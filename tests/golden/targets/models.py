"""The small networks: one for each kind of output that a target reads. All have random weights; none is anybody's network.

Each is two convolutions to `features` [N, 12, 8, 8] and a head. Detectors have one candidate for each cell of that grid, if
nothing else is said, and boxes of 6 to 18 pixels.
"""

import numpy as np
from onnx import TensorProto

from net import SIDE, Net

CELLS, GRID, CLASSES = 64, 8, 4
I64 = TensorProto.INT64


def backbone(seed, batch="N"):
    """A net as far as `features`."""
    net = Net(seed, shape=(batch, 3, SIDE, SIDE), x="input")
    first = net.op("Relu", net.conv(net.op("Mul", net.x, f32(3)), 3, 8, stride=2))
    net.op("Relu", net.conv(first, 8, 12, stride=2), out="features")
    return net


def f32(value):
    return np.array(value, np.float32)


def i64(*values):
    return np.array(values, np.int64)


# ---- one vector, one value, maps ----


def vector(seed, length, gain=2.0, out="output"):
    """[N, length] from a 2 x 2 grid of averages."""
    net = backbone(seed)
    pooled = net.op("AveragePool", "features", kernel_shape=[4, 4], strides=[4, 4])
    flat = net.op("Flatten", pooled)
    net.op("Gemm", flat, net.weight(48, length, scale=gain / 4), net.weight(length, scale=0.3), out=out)
    return net


def classes(seed):
    return vector(seed, 7).add_output("output", ("N", 7))


def age(seed):
    net = vector(seed, 1, 6.0, "years")
    net.op("Add", "years", f32(40), out="output")
    return net.add_output("output", ("N", 1))


def embedding(seed):
    return vector(seed, 16).add_output("output", ("N", 16))


def unit(seed):
    net = vector(seed, 16, out="long")
    net.op("LpNormalization", "long", axis=1, p=2, out="output")
    return net.add_output("output", ("N", 16))


def scored_pixels(seed, maps, size, out):
    """[N, maps, *size]."""
    net = backbone(seed)
    wide = net.op("Resize", "features", "", "", i64_sizes(net, size), mode="linear")
    net.op("Add", net.op("Conv", wide, contrasts(net.weight(maps, 12, 1, 1, scale=1.0))), net.weight(maps, 1, 1, scale=0.3), out=out)
    return net


def i64_sizes(net, size):
    """The argument `sizes` of Resize, for any batch."""
    batch = net.op("Slice", net.op("Shape", "features"), i64(0), i64(2))
    return net.op("Concat", batch, i64(*size), axis=0)


def segments(seed):
    return scored_pixels(seed, 4, (16, 16), "output").add_output("output", ("N", 4, 16, 16))


def mask(seed, size=(16, 16)):
    net = scored_pixels(seed, 1, size, "one")
    net.op("Squeeze", "one", i64(1), out="output")
    return net.add_output("output", ("N", *size))


def odd_mask(seed):
    return mask(seed, (11, 13))


# ---- detectors ----


def raw_cells(net, values):
    """What a detector's last convolution gives: maps [N, values, 8, 8]."""
    return net.op("Conv", "features", contrasts(net.weight(values, 12, 1, 1, scale=0.9)), net.weight(values, scale=0.5))


def contrasts(weight):
    """Weights whose mean over the channels is 0, so that what all cells share does not drown what they do not."""
    return weight - weight.mean(1, keepdims=True)


def split(net, maps, *counts):
    names = [net.new("part") for _ in counts]
    net.op("Split", maps, i64(*counts), outs=names, axis=1)
    return names


def boxes_of(net, raw):
    """Maps [N, 4, 8, 8] of cx, cy, w, h in pixels, from raw ones."""
    y, x = np.mgrid[:GRID, :GRID].astype(np.float32)
    places = net.op("Add", net.op("Sigmoid", raw), np.stack([x, y, 0 * x + 0.5, 0 * x + 0.5])[None])
    return net.op("Mul", places, f32([4, 4, 12, 12]).reshape(1, 4, 1, 1))


def rows_of(net, maps, values, out=None):
    """[N, 64, values] from maps."""
    return net.transpose(net.reshape(maps, 0, values, CELLS), 0, 2, 1, out=out)


def shifted(net, raw, by):
    return net.op("Add", raw, f32(by))


def yolov5(seed, activated=True):
    net = backbone(seed)
    box, scores = split(net, raw_cells(net, 5 + CLASSES), 4, 1 + CLASSES)
    scores = shifted(net, scores, f32([-1] + [0] * CLASSES).reshape(1, -1, 1, 1))
    scores = net.op("Sigmoid", scores) if activated else scores
    rows_of(net, net.op("Concat", boxes_of(net, box), scores, axis=1), 5 + CLASSES, "output")
    return net.add_output("output", ("N", CELLS, 5 + CLASSES))


def yolov5_logits(seed):
    return yolov5(seed, activated=False)


def yolov8(seed):
    net = backbone(seed)
    box, scores = split(net, raw_cells(net, 4 + CLASSES), 4, CLASSES)
    scores = net.op("Sigmoid", shifted(net, scores, -2.0))
    net.reshape(net.op("Concat", boxes_of(net, box), scores, axis=1), 0, 4 + CLASSES, CELLS, out="output")
    return net.add_output("output", ("N", 4 + CLASSES, CELLS))


def corners(net, box):
    """Rows [N, 64, 4] of x0, y0, x1, y1 from maps of cx, cy, w, h."""
    half = f32([[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]])
    return net.op("MatMul", rows_of(net, box, 4), half.T.copy())


def end_to_end(seed, relative=False):
    """The best 20 candidates; `relative` ones are x0, y0, w, h as a part of the input."""
    net = backbone(seed)
    box, scores = split(net, raw_cells(net, 4 + CLASSES), 4, CLASSES)
    scores = rows_of(net, net.op("Sigmoid", shifted(net, scores, -2.0)), CLASSES)
    best = net.op("ReduceMax", scores, axes=[2], keepdims=0)
    net.op("TopK", best, i64(20), outs=["top", "places"], axis=1)
    places = net.op("Unsqueeze", "places", i64(2))
    listed = corners(net, boxes_of(net, box))
    if relative:
        sized = f32([[1, 0, 0, 0], [0, 1, 0, 0], [-1, 0, 1, 0], [0, -1, 0, 1]]) / SIDE
        listed = net.op("MatMul", listed, sized.T.copy())
    label = net.op("Cast", net.op("ArgMax", scores, axis=2), to=TensorProto.FLOAT)
    rows = net.op("Concat", listed, label, axis=2)
    shape = net.op("Concat", net.op("Slice", net.op("Shape", rows), i64(0), i64(1)), i64(20, 5), axis=0)
    chosen = net.op("GatherElements", rows, net.op("Expand", places, shape), axis=1)
    four, one = net.new("four"), net.new("one")
    net.op("Split", chosen, i64(4, 1), outs=[four, one], axis=2)
    net.op("Concat", four, net.op("Unsqueeze", "top", i64(2)), one, axis=2, out="output")
    return net.add_output("output", ("N", 20, 6))


def end_to_end_relative(seed):
    return end_to_end(seed, relative=True)


def ssd(seed, plain=True):
    """Three anchors in each cell of a 4 x 4 grid. Otherwise than `plain`: cx, cy, w, h in pixels, and no softmax."""
    net = backbone(seed)
    weight = contrasts(net.weight(3 * (4 + 1 + CLASSES), 12, 3, 3, scale=0.25))
    raw = net.op("Conv", "features", weight, strides=[2, 2], pads=[1, 1, 1, 1])
    raw = net.transpose(net.reshape(raw, 0, 3, 4 + 1 + CLASSES, 16), 0, 3, 1, 2)
    raw = net.reshape(raw, 0, 48, 4 + 1 + CLASSES)
    offset, score = net.new("offset"), net.new("score")
    net.op("Split", raw, i64(4, 1 + CLASSES), outs=[offset, score], axis=2)
    y, x, shape = (g.ravel().astype(np.float32) for g in np.mgrid[:4, :4, :3])
    sizes = f32([[12, 12], [15, 11], [11, 15]])[shape.astype(int)]
    anchors = np.stack([x * 8 + 4, y * 8 + 4, *sizes.T], 1)[None]
    move = net.op("Mul", net.op("Tanh", offset), f32([2, 2, 3, 3]))
    box = net.op("Add", move, anchors)
    if plain:
        net.op("Softmax", score, axis=2, out="scores")
        matrix = f32([[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]) / SIDE
        net.op("MatMul", box, matrix.T.copy(), out="boxes")
    else:
        net.op("Identity", score, out="scores")
        net.op("Identity", box, out="boxes")
    return net.add_output("boxes", ("N", 48, 4)).add_output("scores", ("N", 48, 1 + CLASSES))


def ssd_centers(seed):
    return ssd(seed, plain=False)


def detr(seed):
    """Ten queries that attend to the cells."""
    net = backbone(seed)
    cells = rows_of(net, "features", 12)
    placed = net.op("Add", net.op("MatMul", cells, net.weight(12, 12).T.copy()), net.weight(CELLS, 12, scale=0.6))
    keys = net.op("MatMul", net.weight(10, 12, scale=1.5), net.transpose(placed, 0, 2, 1))
    attended = net.op("MatMul", net.op("Softmax", keys, axis=2), placed)
    query = net.op("Tanh", net.op("Add", attended, net.weight(10, 12, scale=0.5)))
    net.op("MatMul", query, net.weight(12, CLASSES + 1, scale=1.2), out="logits")
    box = net.op("Sigmoid", net.op("MatMul", query, net.weight(12, 4, scale=0.8)))
    net.op("Add", net.op("Mul", box, f32([0.6, 0.6, 0.4, 0.4])), f32([0.2, 0.2, 0.1, 0.1]), out="pred_boxes")
    return net.add_output("logits", ("N", 10, CLASSES + 1)).add_output("pred_boxes", ("N", 10, 4))


def fastestdet(seed):
    net = backbone(seed)
    objectness, place, size, scores = split(net, raw_cells(net, 5 + CLASSES), 1, 2, 2, CLASSES)
    parts = [net.op("Sigmoid", shifted(net, objectness, -1.5)), place, shifted(net, size, -0.7), net.op("Softmax", scores, axis=1)]
    net.op("Concat", *parts, axis=1, out="output")
    return net.add_output("output", ("N", 5 + CLASSES, GRID, GRID))


def boxes_scores(seed):
    """As torchvision's detectors: a list of any length for a batch of one, by the model's own NMS; labels start at 1."""
    net = backbone(seed, batch=1)
    box, scores = split(net, raw_cells(net, 4 + CLASSES), 4, CLASSES)
    scores = net.op("Sigmoid", shifted(net, scores, -2.0))
    scores = net.reshape(scores, 1, CLASSES, CELLS)
    listed = corners(net, boxes_of(net, box))
    chosen = net.op("NonMaxSuppression", listed, scores, i64(20), f32([0.6]), f32([0.2]))
    image, label, place = (net.op("Gather", chosen, i64(c), axis=1) for c in range(3))
    net.op("Squeeze", net.op("Add", label, i64(1)), i64(1), out="labels")
    net.op("GatherND", listed, net.op("Concat", image, place, axis=1), out="boxes")
    net.op("GatherND", scores, chosen, out="scores")
    return net.add_output("boxes", ("n", 4)).add_output("labels", ("n",), I64).add_output("scores", ("n",))
