"""The same networks as different exporters write them: old operators, fused ones, other axes, other precisions."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

import tokens
from net import CLASSES, SIDE, Net
from table import Golden, softmax

AXIS_1 = np.array([1], np.int64)


class OldNet(Net):
    """A net whose layer norms are written out, as before operator set 17."""

    def norm(self, tensor, channels, out=None):
        centred = self.op("Sub", tensor, self.op("ReduceMean", tensor, axes=[-1]))
        squares = self.op("ReduceMean", self.op("Pow", centred, np.float32(2)), axes=[-1])
        scaled = self.op("Div", centred, self.op("Sqrt", self.op("Add", squares, np.float32(1e-5))))
        scale = (1 + self.weight(channels, scale=0.1)).astype(np.float32)
        return self.op("Add", self.op("Mul", scaled, scale), self.weight(channels, scale=0.1), out=out)


class SizedNet(Net):
    """A net whose reshapes get their lengths from `Shape`, as PyTorch traces them."""

    def reshape(self, tensor, *shape, out=None):
        sizes = self.op("Shape", tensor)
        parts = [
            self.op("Unsqueeze", self.op("Gather", sizes, np.array(0, np.int64)), np.array([0], np.int64))
            if length == 0 and i == 0 else np.array([length], np.int64)
            for i, length in enumerate(shape)
        ]
        return self.op("Reshape", tensor, self.op("Concat", *parts, axis=0), out=out)


def vit_of(kind, seed, **net):
    """A ViT with a class token, built by another kind of net."""
    d = 12
    net = kind(seed, **net)
    cells = tokens.with_prefix(net, tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d), 1, d)
    cells = net.op("Add", cells, net.weight(1, 17, d, scale=0.2))
    for i in range(2):
        cells = tokens.block(net, cells, d, f"b{i}")
    return tokens.classify(net, tokens.token(net, net.norm(cells, d, out="norm")), d)


def fused_qkv(seed, d=12, heads=2):
    """A ViT whose queries, keys and values are one product, taken apart on an axis of their own."""

    def mix(net, cells, d):
        part = net.reshape(net.dense(cells, d, 3 * d), 0, -1, 3, heads, d // heads)
        part = net.transpose(part, 2, 0, 3, 1, 4)
        q, k, v = (net.op("Gather", part, np.array(i, np.int64), axis=0) for i in range(3))
        scores = net.op("MatMul", net.op("Mul", q, np.float32(0.4)), net.transpose(k, 0, 1, 3, 2))
        mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
        return net.dense(net.reshape(net.transpose(mixed, 0, 2, 1, 3), 0, -1, d), d, d)

    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d)
    for i in range(2):
        cells = tokens.block(net, cells, d, f"b{i}", mix=mix)
    return tokens.classify(net, net.op("ReduceMean", net.norm(cells, d, out="norm"), axes=[1], keepdims=0), d)


def contrib(seed, d=16):
    """A ViT of ONNX Runtime's own fused operators, as its optimizer for transformers writes them."""
    net = Net(seed)
    net.domains = ["com.microsoft"]
    cells = tokens.with_prefix(net, tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d), 1, d)
    normed = net.norm(cells, d, out="ln0")
    for i in range(2):
        weights = [net.weight(d, 3 * d), net.weight(3 * d, scale=0.2)]
        mixed = net.op("Attention", normed, *weights, domain="com.microsoft", num_heads=2)
        norm = [(1 + net.weight(d, scale=0.1)).astype(np.float32), net.weight(d, scale=0.1)]
        outs = [f"b{i}.ln2", "", "", f"b{i}.mid"]
        net.op("SkipLayerNormalization", mixed, cells, *norm, outs=outs, domain="com.microsoft")
        hidden = net.op("FastGelu", net.op("MatMul", outs[0], net.weight(d, 2 * d)), domain="com.microsoft")
        hidden = net.op("MatMul", hidden, net.weight(2 * d, d))
        outs = [f"b{i}.ln1", "", "", f"b{i}.out"]
        net.op("SkipLayerNormalization", hidden, f"b{i}.mid", *norm, outs=outs, domain="com.microsoft")
        normed, cells = outs[0], outs[3]
    return tokens.classify(net, tokens.token(net, normed), d)


def last_token(seed, d=12):
    """A class token behind the cells."""
    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d)
    batch = net.op("Gather", net.op("Shape", cells), np.array([0], np.int64))
    shape = net.op("Concat", batch, np.array([1, d], np.int64), axis=0)
    learned = net.op("Expand", net.weight(1, 1, d, scale=0.5), shape)
    cells = net.op("Concat", cells, learned, axis=1)
    for i in range(2):
        cells = tokens.block(net, cells, d, f"b{i}")
    return tokens.classify(net, tokens.token(net, net.norm(cells, d, out="norm"), 16), d)


def convnext(seed, d=8, kind=Net):
    """Depthwise convolutions, with norm and products channels last in between."""
    net = kind(seed)
    maps = net.conv(net.x, 3, d, 4, 4, pad=0)
    for i in range(2):
        weight = net.weight(d, 1, 3, 3, scale=0.4)
        mixed = net.op("Conv", maps, weight, group=d, pads=[1] * 4)
        mixed = tokens.mlp(net, net.norm(net.transpose(mixed, 0, 2, 3, 1), d), d)
        maps = net.op("Add", maps, net.transpose(mixed, 0, 3, 1, 2), out=f"s{i}.out")
    pooled = net.norm(net.op("Flatten", net.op("GlobalAveragePool", maps)), d)
    return tokens.classify(net, pooled, d)


def turned_about(seed):
    """A network of Keras as older converters write it: each convolution between two transpositions."""
    net = Net(seed, shape=("N", SIDE, SIDE, 3))
    maps = net.x
    for i, (inputs, channels) in enumerate([(3, 6), (6, 8)]):
        maps = net.conv(net.transpose(maps, 0, 3, 1, 2), inputs, channels, stride=2)
        maps = net.op("Relu", net.transpose(maps, 0, 2, 3, 1), out=f"r{i}")
    return tokens.classify(net, net.op("ReduceMean", maps, axes=[1, 2], keepdims=0), 8)


def saved(net, level):
    """A model as ONNX Runtime saves it after optimizing."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/out.onnx"
        onnxruntime.InferenceSession(net.model().SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(Path(folder) / "out.onnx")


def quantized(net):
    """A model with its products quantized dynamically."""
    from onnxruntime import quantization as q

    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(net.model(), source)
        q.quantize_dynamic(source, result, op_types_to_quantize=["MatMul", "Gemm"], weight_type=q.QuantType.QUInt8)
        return onnx.load(result)


def in_half(net):
    """The tokens of a ViT in f16, between casts."""
    model = net.model()
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    first, last = model.graph.node[0], model.graph.node[-1]
    first.input[0], last.output[0] = "x16", "y16"
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["x"], ["x16"], to=TensorProto.FLOAT16))
    model.graph.node.append(onnx.helper.make_node("Cast", ["y16"], ["y"], to=TensorProto.FLOAT))
    return model


def noisy(seed, d=12):
    """Tokens that are mostly noise of the model's own."""
    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d)
    cells = net.op("Add", cells, net.op("RandomNormalLike", cells, scale=100.0))
    cells = net.norm(tokens.block(net, cells, d, "b0"), d, out="norm")
    return tokens.classify(net, net.op("ReduceMean", cells, axes=[1], keepdims=0), d)


def of_one_image(seed, d=12):
    """A ViT that declares a free batch and reshapes to one image."""
    net = Net(seed)
    maps = tokens.patches(net, (4, 4), d)
    cells = net.transpose(net.reshape(maps, 1, d, 16), 0, 2, 1)
    cells = net.norm(tokens.block(net, cells, d, "b0"), d, out="norm")
    return tokens.classify(net, net.op("ReduceMean", cells, axes=[1], keepdims=0), d)


def add(table):
    grid = "tokens=1+4x4"
    old = vit_of(OldNet, 500, opset=13)
    table.explained("vit_old_norm", old, "b1.ln1", grid)
    table.explained("vit_traced", vit_of(SizedNet, 501), "b1.ln1", grid)
    table.explained("vit_of_one", vit_of(Net, 502, shape=(1, 3, SIDE, SIDE)), "b1.ln1", grid)
    four = Golden(feed=lambda x: {None: np.repeat(x[None], 4, 0)}, scores=lambda raw: softmax(raw[:CLASSES]))
    table.explained("vit_of_four", vit_of(Net, 503, shape=(4, 3, SIDE, SIDE)), "b1.ln1", grid, golden=four)
    table.explained("vit_one_in_truth", of_one_image(504), "norm", "tokens=0+4x4")
    table.explained("vit_fused_qkv", fused_qkv(505), "norm", "tokens=0+4x4")
    table.explained("vit_contrib", contrib(506), "b0.ln1", grid)
    rough = Golden(tolerance=2e-2)
    table.explained("vit_f16", in_half(vit_of(Net, 507)), "b1.ln1", grid, golden=rough)
    table.explained("vit_8_bits", quantized(vit_of(Net, 508)), "b1.ln1", grid, remarks=["the rest of its batch"])
    table.explained("vit_token_behind", last_token(509), "norm", "tokens=0+4x4", named=True, layer_grid="tokens=0+4x4")
    table.explained("vit_token_behind@unsaid", last_token(509), "b1.ln1", "tokens=0+4x4")
    table.explained("convnext", convnext(510), "s1.out")
    table.explained("convnext_old", convnext(511, kind=OldNet), "s1.out")
    table.explained("turned_about", turned_about(512), "r1", "nhwc", golden=Golden(
        feed=lambda x: {None: x[None].transpose(0, 2, 3, 1)},
    ))
    fused = Net(513)
    fused.head(fused.trunk())
    table.explained("fused", saved(fused, "ORT_ENABLE_EXTENDED"), "r2")
    table.refused("random_tokens", noisy(514), "uncertain", ask="norm")
    small = tokens.vit(515, grid=(2, 2), before=0, pool="mean")
    table.refused("four_cells", small, "uncertain", ask="norm")
    table.explained("four_cells@said", small, "norm", "tokens=0+2x2", named=True, layer_grid="tokens=2x2")
    said = 'layer = "norm"\nlayer_grid = "tokens=2x2"\n'
    table.explained("four_cells@manifest", small, "norm", "tokens=0+2x2", manifest=said, named=True)
    seven = tokens.vit(516, grid=(7, 7), d=8, shape=("N", 3, 56, 56))
    golden = Golden(image=table.other("square.npy", (3, 56, 56)))
    table.explained("vit_7x7", seven, "b1.ln1", "tokens=1+7x7", golden=golden, input="square.npy")
