"""How files are written: functions, branches, disorder, stale shapes, weights elsewhere, names, and batches."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from net import CLASSES, SIDE, Net, cnn, score_output
from table import Golden, for_and_against

SHAPES = [("c1", 6, 16), ("r1", 6, 16), ("c2", 8, 8), ("r2", 8, 8), ("gp", 8, 1)]


def as_function(net, name="Net", inputs=("x",), outputs=("y",), attributes=(), domain="forms"):
    """A local function with the nodes and, as Constant nodes, the weights of `net`."""
    constants = [
        helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in net.constants
    ]
    opsets = [helper.make_opsetid("", net.opset), helper.make_opsetid(domain, 1)]
    return helper.make_function(domain, name, inputs, outputs, constants + net.nodes, opsets, attributes)


def caller(functions, calls, seed=0):
    """A net of `calls`: (function, inputs, outputs, attributes)."""
    net = Net(seed)
    net.domains, net.functions = ["forms"], functions
    for function, inputs, outputs, attributes in calls:
        net.op(function, *inputs, outs=outputs, domain="forms", **attributes)
    return net


def add_functions(table):
    plain = cnn(300)
    whole = caller([as_function(plain)], [("Net", ["x"], ["y"], {})])
    table.explained("function", whole, "Net/r2", golden=Golden(plain=(plain, "r2")))

    plain, trunk, head = cnn(301), Net(301), Net(301)
    trunk.trunk()
    head.random = trunk.random
    head.head("maps")
    within = caller([], [("Trunk", ["x"], ["maps"], {}), ("Head", ["maps"], ["y"], {})])
    nested = [as_function(trunk, "Trunk", ["x"], ["r2"]), as_function(head, "Head", ["maps"], ["y"])]
    nested.append(as_function(within))
    table.explained(
        "function_nested", caller(nested, [("Net", ["x"], ["y"], {})]), "Net/maps", golden=Golden(plain=(plain, "r2"))
    )

    plain, layer = cnn(302), Net(302)
    layer.op("Conv", "x", "w", "b", out="c", pads=[1, 1, 1, 1])
    layer.op("LeakyRelu", "c", out="r")
    # Both attributes are those of the call.
    for node, name, of_call, kind in [(0, "strides", "strides", "INTS"), (1, "alpha", "slope", "FLOAT")]:
        kind = onnx.AttributeProto.AttributeType.Value(kind)
        attribute = onnx.AttributeProto(name=name, ref_attr_name=of_call, type=kind)
        layer.nodes[node].attribute.append(attribute)
    function = as_function(layer, "Layer", ["x", "w", "b"], ["r"], ["strides", "slope"])
    outer = caller([function], [])
    outer.random = np.random.default_rng(302)
    weights = [outer.weight(6, 3, 3, 3), outer.weight(6, scale=0.2)]
    first = outer.op("Layer", outer.x, *weights, domain="forms", strides=[2, 2], slope=0.0)
    weights = [outer.weight(8, 6, 3, 3), outer.weight(8, scale=0.2)]
    last = outer.op("Layer", first, *weights, out="second", domain="forms", strides=[2, 2], slope=0.0)
    outer.head(last)
    table.explained("function_attributes", outer, "second", golden=Golden(plain=(plain, "r2")))

    einsum = Net(303)
    features = einsum.op("Flatten", einsum.op("GlobalAveragePool", einsum.trunk()))
    einsum.op("Einsum", features, einsum.weight(8, CLASSES, scale=2), equation="nc,ck->nk", out="y")
    table.explained("einsum", einsum, "r2")
    whole = Net(304)
    whole.op("Einsum", whole.trunk(), whole.weight(CLASSES, 8, scale=0.1), equation="nchw,kc->nk", out="y")
    table.explained("einsum_of_maps", whole, "r2")
    table.explained("branch", branched(305, by_image=False), "r2")
    table.explained("branch_by_image", branched(306, by_image=True), "r2")
    table.explained("flat_maps", flat(307), "r2", golden=Golden(shows=False), zeros=True, remarks=["0 everywhere"])


def branched(seed, by_image):
    """The classifier within an If, whose condition is a constant or depends on the image."""
    net = Net(seed)
    net.op("Flatten", net.op("GlobalAveragePool", net.trunk()), out="f")
    condition = np.array(True)
    if by_image:
        brightness = net.op("ReduceMean", net.x, keepdims=0)
        condition = net.op("Greater", brightness, np.float32(-1e3))

    def branch(name):
        weights = [net.constant(net.weight(8, CLASSES, scale=2)), net.constant(net.weight(CLASSES, scale=0.3))]
        node = helper.make_node("Gemm", ["f", *weights], [name])
        return helper.make_graph([node], name, [], [score_output(name)])

    net.op("If", condition, out="y", then_branch=branch("then_y"), else_branch=branch("else_y"))
    return net


def flat(seed):
    """All maps of the last layer are flat: its biases are far below 0."""
    net = Net(seed)
    first = net.op("Relu", net.conv(net.x, 3, 6, stride=2))
    weights = [net.weight(8, 6, 3, 3), np.full(8, -50, np.float32)]
    net.head(net.op("Relu", net.op("Conv", first, *weights, strides=[2, 2], pads=[1] * 4), out="r2"))
    return net


def add_batches(table):
    own_pass = "each image gets its own pass"
    table.explained(
        "batch_norm_in_training", in_training(310), "r2", drifts=True, remarks=["left in training mode", own_pass],
        golden=Golden(level="ORT_ENABLE_ALL"),
    )
    table.explained("batch_norm_by_hand", by_hand(311), "r2", remarks=["depends on the rest of its batch"])
    one = Net(312)
    one.op("Gemm", one.reshape(one.op("GlobalAveragePool", one.trunk()), 1, 8), one.weight(8, CLASSES), out="y")
    table.explained("batch_of_one_in_truth", one, "r2")
    known = Net(313)
    averages = known.op("GlobalAveragePool", known.trunk(), out="gp")
    known.op("Gemm", known.reshape(averages, 1, 8, out="f"), known.weight(8, CLASSES), out="y")
    known.info("f", ("N", 8))
    for name, channels, side in SHAPES:
        known.info(name, ("N", channels, side, side))
    table.explained("batch_of_one_declared_free", known, "r2", remarks=["runs only single images"])
    noisy = Net(314)
    maps = noisy.trunk(last="r1x")
    noise = noisy.op("RandomNormalLike", maps, scale=3.0)
    noisy.head(noisy.op("Add", maps, noise, out="r2"))
    table.explained(
        "random", noisy, "r2", golden=Golden(shows=False), random=True, remarks=["returns different results for equal images"]
    )


def in_training(seed):
    net = Net(seed)
    parameters = [np.ones(6, np.float32), np.zeros(6, np.float32), np.zeros(6, np.float32), np.ones(6, np.float32)]
    first = net.conv(net.x, 3, 6, stride=2)
    net.op("BatchNormalization", first, *parameters, outs=["bn", "mean", "var"], training_mode=1)
    net.head(net.op("Relu", net.conv(net.op("Relu", "bn"), 6, 8, stride=2), out="r2"))
    return net


def by_hand(seed):
    """A norm over the batch and the cells, written out."""
    net = Net(seed)
    maps = net.conv(net.x, 3, 6, stride=2)
    centred = net.op("Sub", maps, net.op("ReduceMean", maps, axes=[0, 2, 3]))
    spread = net.op("Sqrt", net.op("ReduceMean", net.op("Mul", centred, centred), axes=[0, 2, 3]))
    scaled = net.op("Div", centred, net.op("Add", spread, np.float32(0.01)))
    net.head(net.op("Relu", net.conv(net.op("Relu", scaled), 6, 8, stride=2), out="r2"))
    return net


def add_files(table):
    swapped = cnn(320)
    swapped.nodes = swapped.nodes[2:] + swapped.nodes[:2]
    tidy = cnn(320)
    table.explained("disorder", swapped, "r2", golden=Golden(plain=(tidy, "r2")))
    reversed_nodes = cnn(321)
    reversed_nodes.nodes.reverse()
    table.explained("disorder_reversed", reversed_nodes, "r2", golden=Golden(plain=(cnn(321), "r2")))
    add_stale(table)
    add_external(table)
    renamed = Net(324, x="input image:0").add_output("scores/tïtle:0", ("N", CLASSES))
    maps = renamed.trunk(last="модель/слой 1.r2;,=\"")
    renamed.head(maps, out="scores/tïtle:0")
    table.explained("names", renamed, maps)
    table.explained("names@named", renamed, maps, named=True)
    table.explained("names@other", renamed, "r1", named=True)
    table.refused("names@missing", renamed, "r1x", ask="r1x")


def add_stale(table):
    for name, size in [("stale_batch", 1), ("stale_size", 2)]:
        net = cnn(322)
        for tensor, channels, side in SHAPES:
            height = side if size == 1 else max(1, side * 3 // 2)
            net.info(tensor, (1 if size == 1 else "N", channels, height, side))
        clean = Golden(plain=(cnn(322), "r2"))
        table.explained(name, net, "r2", golden=clean)
    free = cnn(323, shape=("N", 3, "H", "W"))
    table.explained("any_size", free, "r2")
    table.explained("any_size@sized", free, "r2", manifest=f"[input]\nsize = [{SIDE}, {SIDE}]\n")
    ranks = cnn(325)
    ranks.inputs = [onnx.ValueInfoProto(name="x", type=helper.make_tensor_type_proto(TensorProto.FLOAT, None))]
    ranks.outputs = [onnx.ValueInfoProto(name="y", type=helper.make_tensor_type_proto(TensorProto.FLOAT, None))]
    table.explained("no_rank", ranks, "r2", manifest=f"[input]\nsize = [{SIDE}, {SIDE}]\n")


def add_complete(table):
    """Stale shapes of every tensor, so that nothing makes the runtime be asked."""
    for name, batch, factor in [("stale_batch_throughout", 1, 1), ("stale_size_throughout", "N", 2)]:
        net = cnn(327)
        for tensor, channels, side in SHAPES:
            size = side * factor if side > 1 else 1
            net.info(tensor, (batch, channels, size, size))
        net.info("f", (batch, 8))
        table.explained(name, net, "r2", golden=Golden(plain=(cnn(327), "r2")))
    undeclared = Net(328).add_output("y", ("N", "k"))
    undeclared.head(undeclared.trunk(), classes=1)
    one = Golden(scores=for_and_against, target=1)
    table.explained("logit_undeclared", undeclared, "r2", golden=one, unasked=True)
    table.explained("classes_undeclared", cnn(329).add_output("y", ("N", "k")), "r2")
    unsized = Net(330, shape=("N", "H", "W", 3))
    unsized.head(unsized.trunk(unsized.transpose(unsized.x, 0, 3, 1, 2)))
    turned = Golden(feed=lambda x: {None: x[None].transpose(0, 2, 3, 1)})
    sized = f"[input]\nsize = [{SIDE}, {SIDE}]\n"
    table.explained("channels_last_any_size", unsized, "r2", golden=turned, manifest=sized)
    function = as_function(cnn(331))
    function.opset_import[0].version = 16
    other = caller([function], [("Net", ["x"], ["y"], {})])
    table.refused("function_of_other_version", other, "version 16", "inline")
    optional = cnn(332)
    optional.add_input("k_1", [6, 3, 3, 3])
    table.explained("weights_among_inputs", optional, "r2")
    masked = Net(333)
    masked.add_input("mask", ("N", 1, SIDE, SIDE))
    masked.head(masked.trunk(masked.op("Mul", masked.x, "mask")))
    table.refused("image_and_mask", masked, "input.name", "mask")
    ones = Golden(feed=lambda x: {None: x[None], "mask": np.ones((1, 1, SIDE, SIDE), np.float32)})
    manifest = '[input]\nname = "x"\n[inputs]\nmask = 1\n'
    table.explained("image_and_mask@named", masked, "r2", manifest=manifest, golden=ones)
    switch = Net(334)
    switch.add_input("training", (), TensorProto.BOOL)
    scale = switch.op("Where", "training", np.float32(0.5), np.float32(1))
    switch.head(switch.op("Mul", switch.trunk(last="r1x"), scale, out="r2"))
    off = Golden(feed=lambda x: {None: x[None], "training": np.array(False)})
    table.explained("switch", switch, "r2", settings={"input.training": "0"}, golden=off)
    dropout = Net(335)
    maps = dropout.trunk(last="r1x")
    dropout.head(dropout.op("Dropout", maps, np.float32(0.5), np.array(True), out="r2"))
    # ONNX Runtime leaves out such a Dropout when it optimizes.
    table.explained("dropout_in_training", dropout, "r1x", golden=Golden(level="ORT_ENABLE_ALL"))


def add_external(table):
    """Weights in another file: of Constant nodes, and of the graph."""
    from table import MODELS

    plain = cnn(326)
    inside = plain.model()
    data, nodes = b"", []
    for tensor in inside.graph.initializer:
        value, raw = onnx.TensorProto(), numpy_helper.to_array(tensor).tobytes()
        value.name, value.data_type, value.data_location = tensor.name, tensor.data_type, TensorProto.EXTERNAL
        value.dims.extend(tensor.dims)
        for key, text in [("location", "constants.bin"), ("offset", str(len(data))), ("length", str(len(raw)))]:
            value.external_data.add(key=key, value=text)
        data += raw
        nodes.append(helper.make_node("Constant", [], [tensor.name], value=value))
    del inside.graph.initializer[:]
    whole = list(inside.graph.node)
    del inside.graph.node[:]
    inside.graph.node.extend(nodes + whole)
    (MODELS / "constants.bin").write_bytes(data)
    table.explained("external_constants", inside, "r2", golden=Golden(plain=(plain, "r2")))
    beside = plain.model()
    offset = 0
    for tensor in beside.graph.initializer:
        raw = numpy_helper.to_array(tensor).tobytes()
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in [("location", "constants.bin"), ("offset", str(offset)), ("length", str(len(raw)))]:
            tensor.external_data.add(key=key, value=text)
        offset += len(raw)
    table.explained("external_weights", beside, "r2", golden=Golden(plain=(plain, "r2")))


def add(table):
    for part in (add_functions, add_batches, add_files, add_complete):
        part(table)
