"""What models give: one value, several outputs, probabilities made in many ways, and no class scores at all."""

import numpy as np
from onnx import TensorProto

from net import CLASSES, SIDE, Net, cnn
from table import Golden, as_it_is, for_and_against, lower_and_higher, probability, softmax

AXIS_1, AXIS_2 = np.array([1], np.int64), np.array([2], np.int64)


def one_value(seed, ending, shape):
    """A net with one value an image; `ending` makes the output `y` from the value [N, 1]."""
    net = Net(seed)
    value = net.head(net.trunk(), classes=1, out="value")
    ending(net, value)
    return net.add_output("y", shape)


def add_values(table):
    own_side = Golden(for_and_against, target=1)
    logit = one_value(200, lambda net, v: net.op("Identity", v, out="y"), ("N", 1))
    remark = "one value per image, a logit"
    table.explained("logit", logit, "r2", golden=own_side, unasked=True, remarks=[remark])
    table.explained("logit@for", logit, "r2", golden=Golden(for_and_against, target=1))
    table.explained("logit@against", logit, "r2", golden=Golden(for_and_against, target=0))
    squeezed = one_value(201, lambda net, v: net.op("Squeeze", v, AXIS_1, out="y"), ("N",))
    table.explained("logit_n", squeezed, "r2", golden=own_side, unasked=True, remarks=[remark])
    maps = one_value(202, lambda net, v: net.reshape(v, -1, 1, 1, 1, out="y"), ("N", 1, 1, 1))
    table.explained("logit_n111", maps, "r2", golden=own_side, unasked=True)
    fixed = Net(203, shape=(1, 3, SIDE, SIDE)).add_output("y", (1,))
    fixed.reshape(fixed.head(fixed.trunk(), classes=1, out="v"), -1, out="y")
    table.explained("logit_1", fixed, "r2", golden=own_side, unasked=True)
    inside = one_value(204, lambda net, v: net.op("Sigmoid", v, out="y"), ("N", 1))
    table.explained("sigmoid_n1", inside, "r2", golden=Golden(probability, target=1), unasked=True, remarks=["a probability"])
    table.explained("sigmoid_n1@against", inside, "r2", golden=Golden(probability, target=0))
    flat = one_value(205, lambda net, v: net.op("Squeeze", net.op("Sigmoid", v), AXIS_1, out="y"), ("N",))
    table.explained("sigmoid_n", flat, "r2", golden=Golden(probability, target=1), unasked=True)
    alone = one_value(206, lambda net, v: net.op("Softmax", v, axis=-1, out="y"), ("N", 1))
    table.refused("softmax_n1", alone, "softmax of one value, which is always 1")
    age = one_value(207, lambda net, v: net.op("Identity", v, out="y"), ("N", 1))
    kind = '[output]\nkind = "value"\n'
    for side, target in [("higher", 1), ("lower", 0)]:
        golden = Golden(lower_and_higher, target=target)
        table.explained(f"regression@{side}", age, "r2", manifest=kind, golden=golden)
    table.refused("five@value", cnn(208), 'output.kind is "value"', manifest=kind)


def several(seed, makers, outputs):
    """A classifier with more outputs; `makers` add nodes from the tensors f [N, 8], y [N, 5] and r2."""
    net = cnn(seed)
    makers(net)
    for name, shape, element in outputs:
        net.add_output(name, shape, element)
    return net


def add_outputs(table):
    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    embedding = [("f", ("N", 8), f32), ("y", ("N", CLASSES), f32)]
    both = several(210, lambda net: None, embedding)
    table.refused("two", both, "f (f32 [N, 8]), y (f32 [N, 5])", "output.name")
    table.explained("two@named", both, "r2", manifest='[output]\nname = "y"\n', golden=Golden(output="y"))
    table.refused("two@wrong", both, 'output "z" is not in the model', manifest='[output]\nname = "z"\n')

    def labelled(net):
        net.op("Softmax", "y", axis=-1, out="p")
        net.op("ArgMax", "y", axis=1, keepdims=0, out="label")

    first = several(211, labelled, [("label", ("N",), i64), ("p", ("N", CLASSES), f32)])
    table.explained("label_and_p", first, "r2", golden=Golden(as_it_is, output="p"))
    table.refused("label_and_p@label", first, "i64", manifest='[output]\nname = "label"\n')
    segments = several(
        212, lambda net: net.conv("r2", 8, 4, 1, out="s"), [("s", ("N", 4, 8, 8), f32), ("y", ("N", CLASSES), f32)]
    )
    table.explained("pixels_and_classes", segments, "r2", golden=Golden(output="y"))
    heads = several(
        213, lambda net: net.op("Gemm", "f", net.weight(8, 3), out="other"),
        [("y", ("N", CLASSES), f32), ("other", ("N", 3), f32)],
    )
    table.refused("two_heads", heads, "y (f32 [N, 5]), other (f32 [N, 3])")
    table.explained("two_heads@other", heads, "r2", manifest='[output]\nname = "other"\n', golden=Golden(output="other"))


def add_other_tasks(table):
    """Models that score no classes: refused by what they look like."""
    unet = Net(220).add_output("y", ("N", 4, 8, 8))
    unet.conv(unet.trunk(), 8, 4, 1, out="y")
    table.refused("segmentation", unet, "looks like a score per pixel")
    yolo = Net(221, shape=(1, 3, SIDE, SIDE)).add_output("output0", (1, 9, 64))
    yolo.reshape(yolo.conv(yolo.trunk(), 8, 9, 1), 1, 9, 64, out="output0")
    table.refused("detector", yolo, "the shape of detector format", "output.format")
    detr = Net(222).add_output("logits", ("N", 64, 6)).add_output("boxes", ("N", 64, 4))
    tokens = detr.transpose(detr.reshape(detr.trunk(), 0, 8, -1), 0, 2, 1)
    detr.op("MatMul", tokens, detr.weight(8, 6), out="logits")
    detr.op("MatMul", tokens, detr.weight(8, 4), out="boxes")
    table.refused("queries", detr, "specify it with output.kind")
    scaled = Net(223).add_output("y", ("N", 8))
    scaled.head(scaled.trunk(), classes=8, out="e")
    scaled.op("LpNormalization", "e", axis=1, p=2, out="y")
    table.refused("embedding", scaled, "looks like an embedding")
    by_hand = Net(224).add_output("y", ("N", 8))
    by_hand.head(by_hand.trunk(), classes=8, out="e")
    length = by_hand.op("Clip", by_hand.op("ReduceL2", "e", axes=[1], keepdims=1), np.float32(1e-12))
    by_hand.op("Div", "e", by_hand.op("Expand", length, by_hand.op("Shape", "e")), out="y")
    table.refused("embedding_by_hand", by_hand, "looks like an embedding")
    squares = Net(225).add_output("y", ("N", 8))
    squares.head(squares.trunk(), classes=8, out="e")
    total = squares.op("ReduceSum", squares.op("Mul", "e", "e"), AXIS_1, keepdims=1)
    squares.op("Div", "e", squares.op("Sqrt", total), out="y")
    table.refused("embedding_by_squares", squares, "looks like an embedding")


def applied(seed, ending, classes=CLASSES, scale=2.5):
    """A net whose output is made by `ending` from the features [N, 8]."""
    net = Net(seed).add_output("y", ("N", classes))
    net.op("Flatten", net.op("GlobalAveragePool", net.trunk()), out="f")

    def logits(outputs=CLASSES):
        return net.op("Gemm", "f", net.weight(8, outputs, scale=scale), net.weight(outputs, scale=0.5))

    ending(net, logits)
    return net


def add_activations(table):
    half, raw = np.float32(0.5), Golden(as_it_is)

    def soft(net, logits):
        return net.op("Softmax", logits(), axis=-1)

    def averaged(net, logits):
        net.op("Mul", net.op("Add", soft(net, logits), soft(net, logits)), half, out="y")

    def mean(net, logits):
        net.op("Mean", soft(net, logits), net.op("Softmax", logits(), axis=1), out="y")

    def stacked(net, logits):
        parts = [net.op("Unsqueeze", soft(net, logits), AXIS_2) for _ in range(3)]
        net.op("ReduceMean", net.op("Concat", *parts, axis=2), axes=[2], keepdims=0, out="y")

    def sigmoids(net, logits):
        net.op("Concat", *[net.op("Sigmoid", logits(1)) for _ in range(CLASSES)], axis=1, out="y")

    def sliced(net, logits):
        ends = [np.array([n], np.int64) for n in (1, 6)]
        net.op("Slice", net.op("Softmax", logits(7), axis=-1), *ends, AXIS_1, out="y")

    def chosen(net, logits):
        net.op("Gather", net.op("Sigmoid", logits(8)), np.array([4, 0, 2, 7, 5], np.int64), axis=1, out="y")

    def chosen_softmax(net, logits):
        net.op("Gather", net.op("Softmax", logits(8), axis=-1), np.array([1, 3, 2], np.int64), axis=1, out="y")

    def two_stages(net, logits):
        net.op("Mul", net.op("Sigmoid", logits(1)), soft(net, logits), out="y")

    def by_hand(net, logits):
        powers = net.op("Exp", logits())
        net.op("Div", powers, net.op("ReduceSum", powers, AXIS_1, keepdims=1), out="y")

    def of_maps(net, logits):
        maps = net.op("Softmax", net.conv("r2", 8, CLASSES, 1), axis=1)
        net.op("Flatten", net.op("GlobalAveragePool", maps), out="y")

    def last(operator):
        return lambda net, logits: net.op(operator, logits(), out="y")

    for name, ending, golden, classes in [
        ("softmax_last", last("Softmax"), raw, CLASSES),
        ("softmax_added", averaged, raw, CLASSES),
        ("softmax_mean", mean, raw, CLASSES),
        ("softmax_stacked", stacked, raw, CLASSES),
        ("softmax_sliced", sliced, raw, CLASSES),
        ("softmax_chosen", chosen_softmax, raw, 3),
        ("softmax_by_hand", by_hand, raw, CLASSES),
        ("softmax_of_maps", of_maps, raw, CLASSES),
        ("sigmoid_last", last("Sigmoid"), raw, CLASSES),
        ("sigmoid_joined", sigmoids, raw, CLASSES),
        ("sigmoid_chosen", chosen, raw, CLASSES),
        ("sigmoid_of_softmax", two_stages, raw, CLASSES),
        ("log_softmax", last("LogSoftmax"), Golden(), CLASSES),
    ]:
        table.explained(name, applied(240 + len(name), ending, classes), "r2", golden=golden)


def shaped(seed, shape, input_shape=("N", 3, SIDE, SIDE), to=None):
    """A classifier whose output is reshaped."""
    net = Net(seed, shape=input_shape).add_output("y", shape)
    image = net.x if len(input_shape) == 4 else net.op("Unsqueeze", net.x, np.array([0], np.int64))
    scores = net.head(net.trunk(image), out="s")
    net.reshape(scores, *(to or [-1 if n == "N" else n for n in shape]), out="y")
    return net


def add_shapes(table):
    for name, shape in [
        ("out_n51", ("N", 5, 1)), ("out_n15", ("N", 1, 5)), ("out_n115", ("N", 1, 1, 5)), ("out_n511", ("N", 5, 1, 1)),
    ]:
        table.explained(name, shaped(270 + len(shape), shape), "r2")
    one = (1, 3, SIDE, SIDE)
    table.explained("out_5_of_one", shaped(275, (5,), one), "r2")
    table.explained("out_51_of_one", shaped(276, (5, 1), one), "r2")
    unbatched = Golden(feed=lambda image: {None: image})
    table.explained("no_batch", shaped(277, (5,), one[1:]), "r2", golden=unbatched)
    table.explained("no_batch_15", shaped(278, (1, 5), one[1:]), "r2", golden=unbatched)
    table.explained("fixed_4", shaped(279, (4, 5), (4, *one[1:])), "r2", golden=Golden(
        feed=lambda image: {None: np.repeat(image[None], 4, 0)}, scores=lambda raw: softmax(raw[:5]),
    ))


def add_more(table):
    """What is rarer, or must not be mistaken."""
    percent = applied(290, lambda net, logits: net.op(
        "Mul", net.op("Softmax", logits(), axis=-1), np.float32(1), out="y"))
    table.explained("softmax_scaled_by_1", percent, "r2", golden=Golden(as_it_is))
    hidden = Net(291).add_output("y", ("N", CLASSES))
    hidden.op("Softmax", hidden.head(hidden.trunk(), out="s"), axis=-1, out="p")
    hidden.op("Cast", "p", to=TensorProto.DOUBLE, out="wide")
    hidden.op("Cast", "wide", to=TensorProto.FLOAT, out="y")
    table.explained("softmax_cast", hidden, "r2", golden=Golden(as_it_is))
    clipped = applied(292, lambda net, logits: net.op(
        "Clip", net.op("Sigmoid", logits()), np.float32(1e-4), np.float32(0.9999), out="y"))
    table.explained("sigmoid_clipped", clipped, "r2", golden=Golden(as_it_is))
    swish = Net(293)
    first = swish.conv(swish.trunk(last="r1x"), 8, 8, out="c3")
    swish.head(swish.op("Mul", first, swish.op("Sigmoid", first), out="r2"))
    table.explained("swish_before_classifier", swish, "r2")
    last = Net(294).add_output("y", ("N", CLASSES))
    maps = last.conv(last.trunk(), 8, CLASSES, 1, out="c3")
    gated = last.op("Mul", maps, last.op("Sigmoid", maps), out="r3")
    last.op("Flatten", last.op("GlobalAveragePool", gated), out="y")
    table.explained("classifier_of_maps", last, "r2")
    squeeze = Net(295).add_output("y", ("N", CLASSES))
    maps = squeeze.op("Relu", squeeze.conv(squeeze.trunk(), 8, CLASSES, 1, out="c3"), out="r3")
    squeeze.op("Flatten", squeeze.op("GlobalAveragePool", maps), out="y")
    table.explained("squeezenet", squeeze, "r2")
    by_hand = applied(296, lambda net, logits: net.op("Div", np.float32(1), net.op(
        "Add", net.op("Exp", net.op("Neg", logits())), np.float32(1)), out="y"))
    table.explained("sigmoid_by_hand", by_hand, "r2", golden=Golden(as_it_is))
    distilled = applied(297, lambda net, logits: net.op(
        "Div", net.op("Add", logits(), logits()), np.float32(2), out="y"))
    table.explained("two_heads_averaged", distilled, "r2")
    tempered = applied(300, lambda net, logits: net.op("Div", logits(), np.float32(1.5), out="y"))
    table.explained("tempered", tempered, "r2")
    gate = applied(298, lambda net, logits: net.op("Mul", logits(), net.op("Sigmoid", logits(1)), out="y"))
    table.explained("logits_gated", gate, "r2")
    rest = applied(299, lambda net, logits: net.op("Concat", (p := net.op("Sigmoid", logits(1))), net.op(
        "Sub", np.float32(1), p), axis=1, out="y"), 2)
    table.explained("sigmoid_and_rest", rest, "r2", golden=Golden(as_it_is))


def add(table):
    for part in (add_values, add_outputs, add_other_tasks, add_activations, add_shapes, add_more):
        part(table)
