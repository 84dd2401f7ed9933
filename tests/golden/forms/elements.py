"""Types of numbers, 8-bit networks, layouts of images, further inputs, and tensors that ONNX Runtime has laid out."""

import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

from net import CLASSES, SIDE, Net, cnn
from table import MODELS, Golden, picture

TO_16, TO_B16, TO_32, TO_64 = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE
ROUGH = 5e-3  # what f16 rounds otherwise where operators are fused


def half_trunk(net, tensor):
    """The trunk in f16."""
    constants = len(net.constants)
    maps = net.trunk(tensor)
    for tensor in net.constants[constants:]:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), tensor.name))
    return maps


def add_precision(table):
    inside = Net(400)
    maps = half_trunk(inside, inside.op("Cast", inside.x, to=TO_16))
    inside.head(inside.op("Cast", maps, to=TO_32, out="back"))
    table.explained("f16_inside", inside, "r2", golden=Golden(tolerance=ROUGH))
    ports = Net(401, element=TO_16).add_output("y", ("N", CLASSES), TO_16)
    maps = ports.op("Cast", half_trunk(ports, ports.x), to=TO_32)
    ports.op("Cast", ports.head(maps, out="s"), to=TO_16, out="y")
    as_f16 = Golden(feed=lambda image: {None: image[None].astype(np.float16)}, tolerance=ROUGH)
    table.explained("f16_ports", ports, "r2", golden=as_f16)
    wide = Net(402, element=TO_64).add_output("y", ("N", CLASSES), TO_64)
    maps = wide.trunk(wide.op("Cast", wide.x, to=TO_32))
    wide.op("Cast", wide.head(maps, out="s"), to=TO_64, out="y")
    table.explained("f64_ports", wide, "r2", golden=Golden(feed=lambda image: {None: image[None].astype(np.float64)}))
    double = Net(403)
    maps = double.op("Cast", double.trunk(), to=TO_64, out="maps")
    maps = double.op("Mul", maps, np.float64(0.7), out="scaled")
    double.head(double.op("Cast", maps, to=TO_32))
    table.explained("f64_inside", double, "scaled")
    brain = Net(404, element=TO_B16)
    brain.head(brain.trunk(brain.op("Cast", brain.x, to=TO_32)))
    # The plain runner has no numpy type for bf16: the cast is left out, and images are rounded as it would.
    plain = cnn(404)
    rounded = Golden(
        plain=(plain, "r2"), feed=lambda image: {None: image[None].astype(ml_dtypes.bfloat16).astype(np.float32)}
    )
    table.explained("bf16_input", brain, "r2", golden=rounded)
    brain = Net(405)
    maps = brain.op("Cast", brain.trunk(last="r2f"), to=TO_B16, out="r2")
    brain.head(brain.op("Cast", maps, to=TO_32, out="r3"))
    table.explained("bf16_inside", brain, "r2f")
    table.explained("bf16_inside@named", brain, "r2", named=True, golden=Golden(plain=(brain, "r3")))


def add_photos(table):
    pixels = (picture((3, SIDE, SIDE), 5) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(MODELS / "p.png", optimize=True)
    photo = (pixels.transpose(2, 0, 1) / np.float32(255)).astype(np.float32)
    np.save(MODELS / "p_hwc.npy", np.ascontiguousarray(photo.transpose(1, 2, 0)))
    np.save(MODELS / "p.npy", photo)
    bytes_in = Net(410, element=TensorProto.UINT8)
    scaled = bytes_in.op("Mul", bytes_in.op("Cast", bytes_in.x, to=TO_32), np.float32(1 / 255))
    bytes_in.head(bytes_in.trunk(scaled))
    as_bytes = Golden(
        image=pixels.transpose(2, 0, 1).astype(np.float32),
        feed=lambda image: {None: np.floor(image[None] + 0.5).astype(np.uint8)},
    )
    table.explained("u8_input", bytes_in, "r2", golden=as_bytes, input="p.png")
    last = Net(411, shape=("N", SIDE, SIDE, 3))
    last.head(last.trunk(last.transpose(last.x, 0, 3, 1, 2)))
    turned = Golden(image=photo, feed=lambda image: {None: image[None].transpose(0, 2, 3, 1)})
    for file in ("p.png", "p.npy", "p_hwc.npy"):
        name = "channels_last@" + file.replace(".", "_")
        table.explained(name, last, "r2", golden=turned, input=file)
    table.explained(
        "channels_last@said", last, "r2", golden=turned, input="p.png", manifest='[input]\nlayout = "nhwc"\n'
    )
    bytes_last = Net(412, shape=("N", SIDE, SIDE, 3), element=TensorProto.UINT8)
    scaled = bytes_last.op("Mul", bytes_last.op("Cast", bytes_last.x, to=TO_32), np.float32(1 / 255))
    bytes_last.head(bytes_last.trunk(bytes_last.transpose(scaled, 0, 3, 1, 2)))
    both = Golden(
        image=pixels.transpose(2, 0, 1).astype(np.float32),
        feed=lambda image: {None: np.floor(image[None].transpose(0, 2, 3, 1) + 0.5).astype(np.uint8)},
    )
    table.explained("u8_channels_last", bytes_last, "r2", golden=both, input="p.png")
    grey = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[None] / np.float32(255)
    one = Net(413, shape=("N", 1, SIDE, SIDE))
    one.head(one.trunk(channels_in=1))
    table.explained("one_channel", one, "r2", golden=Golden(image=grey), input="p.png")
    one = Net(414, shape=("N", SIDE, SIDE, 1))
    one.head(one.trunk(one.transpose(one.x, 0, 3, 1, 2), channels_in=1))
    turned = Golden(image=grey, feed=lambda image: {None: image[None].transpose(0, 2, 3, 1)})
    table.explained("one_channel_last", one, "r2", golden=turned, input="p.png")


def with_metadata(seed, shape=("N", 2), element=TO_32):
    """A classifier that joins numbers to its features."""
    net = Net(seed)
    net.add_input("meta", shape, element)
    net.op("Flatten", net.op("GlobalAveragePool", net.trunk()), out="f")
    meta = net.op("Cast", "meta", to=TO_32) if element != TO_32 else "meta"
    if shape == ():
        meta = net.op("Mul", "f", meta)
        net.op("Gemm", meta, net.weight(8, CLASSES, scale=2), out="y")
    else:
        net.op("Gemm", net.op("Concat", "f", meta, axis=1), net.weight(10, CLASSES, scale=2), out="y")
    return net


def add_inputs(table):
    def given(*values, kind=np.float32, shape=(1, 2)):
        meta = np.broadcast_to(np.array(values, kind), shape) if shape else np.array(values[0], kind)
        return Golden(feed=lambda image: {None: image[None], "meta": np.ascontiguousarray(meta)})

    net = with_metadata(420)
    table.refused("two_inputs", net, "meta", "[inputs]", "input.meta=VALUE")
    table.explained("two_inputs@number", net, "r2", manifest="[inputs]\nmeta = 0.5\n", golden=given(0.5))
    table.explained("two_inputs@list", net, "r2", manifest="[inputs]\nmeta = [0.25, -1]\n", golden=given(0.25, -1))
    np.save(MODELS / "meta.npy", np.array([[1.5, 0.75]], np.float32))
    table.explained("two_inputs@file", net, "r2", manifest='[inputs]\nmeta = "meta.npy"\n', golden=given(1.5, 0.75))
    table.explained("two_inputs@set", net, "r2", settings={"input.meta": "0.25,-1"}, golden=given(0.25, -1))
    table.refused("two_inputs@three", net, "3 values were given", manifest="[inputs]\nmeta = [1, 2, 3]\n")
    table.refused("two_inputs@unknown", net, '"other"', manifest="[inputs]\nmeta = 1\nother = 1\n")
    whole = with_metadata(421, element=TensorProto.INT64)
    table.explained("whole_numbers", whole, "r2", settings={"input.meta": "1,3"}, golden=given(1, 3, kind=np.int64))
    scalar = with_metadata(422, shape=())
    table.explained("scalar_input", scalar, "r2", settings={"input.meta": "0.5"}, golden=given(0.5, shape=()))


SCALES = {"x": (1 / 255, 0), "c1": (0.02, 40), "c2": (0.02, 30)}


def quantized_by_hand(seed):
    """Two QLinearConv with weights quantized for each channel, between f32 ends."""
    net = Net(seed)
    scale = {name: net.constant(np.float32(s), f"{name}_scale") for name, (s, _) in SCALES.items()}
    zero = {name: net.constant(np.uint8(z), f"{name}_zero") for name, (_, z) in SCALES.items()}
    tensor = net.op("QuantizeLinear", net.x, scale["x"], zero["x"], out="x_8")
    for source, name, inputs, channels in [("x", "c1", 3, 6), ("c1", "c2", 6, 8)]:
        weight = net.weight(channels, inputs, 3, 3)
        steps = (np.abs(weight).max((1, 2, 3)) / 127).astype(np.float32)
        eight = np.round(weight / steps[:, None, None, None]).astype(np.int8)
        bias = net.random.integers(-200, 200, channels).astype(np.int32)
        tensor = net.op(
            "QLinearConv", tensor, scale[source], zero[source], eight, steps, np.zeros(channels, np.int8), scale[name],
            zero[name], bias, out=f"{name}_8", strides=[2, 2], pads=[1] * 4,
        )
    net.head(net.op("DequantizeLinear", tensor, scale["c2"], zero["c2"], out="back"))
    return net


def by_tool(seed, how):
    """A classifier, quantized by ONNX Runtime's own tool."""
    from onnxruntime import quantization as q

    class Photos(q.CalibrationDataReader):
        def __init__(self):
            self.left = [{"x": picture((3, SIDE, SIDE), s)[None]} for s in range(4)]

        def get_next(self):
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(cnn(seed).model(), source)
        if how in ("QOperator", "QDQ"):
            q.quantize_static(source, result, Photos(), quant_format=q.QuantFormat[how])
        else:
            q.quantize_dynamic(source, result, op_types_to_quantize=how, weight_type=q.QuantType.QUInt8)
        return onnx.load(result)


def add_quantized(table):
    def dequantized(step, zero):
        return lambda raw: (raw.astype(np.float64) - zero) * np.float32(step)

    net = quantized_by_hand(430)
    table.explained("qlinear", net, "c2_8", named=True, golden=Golden(read=dequantized(*SCALES["c2"])))
    table.explained("qlinear@default", net, "back")
    tool = by_tool(431, "QOperator")
    known = {t.name: onnx.numpy_helper.to_array(t) for t in tool.graph.initializer}
    read = dequantized(known["c2_scale"], known["c2_zero_point"])
    table.explained("qlinear_throughout", tool, "c2_quantized", golden=Golden(read=read, tolerance=ROUGH))
    table.explained("qdq", by_tool(432, "QDQ"), "r2_DequantizeLinear_Output", golden=Golden(tolerance=ROUGH))
    table.explained("classifier_in_8_bits", by_tool(433, ["MatMul", "Gemm"]), "r2")
    dynamic = by_tool(434, ["Conv", "MatMul", "Gemm"])
    table.explained("dynamic", dynamic, "r2", remarks=["depends on the rest of its batch"])


def add_blocked(table):
    """A model that ONNX Runtime has saved after its own optimization, with tensors in blocks of channels."""
    net = Net(440)
    first = net.op("Relu", net.conv(net.x, 3, 16, stride=2))
    last = net.op("Relu", net.conv(first, 16, 16, stride=2), out="r2")
    net.head(last, 16)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/out.onnx"
        onnxruntime.InferenceSession(net.model().SerializeToString(), options, providers=["CPUExecutionProvider"])
        saved = onnx.load(f"{folder}/out.onnx")
    print("blocked:", [(n.domain, n.op_type) for n in saved.graph.node])
    return saved, net


def add(table):
    for part in (add_precision, add_photos, add_inputs, add_quantized):
        part(table)
    saved, net = add_blocked(table)
    table.refused("blocked", saved, "nchwc")
