"""Families of networks between convolutions and transformers, and other ways to read tokens out."""

import numpy as np

import tokens
from net import Net

AXIS_1 = np.array([1], np.int64)


def start(seed, d=12):
    """A net and its tokens [N, 16, d] after one block."""
    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d)
    return net, tokens.block(net, cells, d, "b0")


def dino(seed, d=12):
    """The class token beside the mean of the cells."""
    net = Net(seed)
    cells = tokens.with_prefix(net, tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d), 1, d)
    last = net.norm(tokens.block(net, cells, d, "b0"), d, out="norm")
    rest = net.op("Slice", last, AXIS_1, np.array([99], np.int64), AXIS_1)
    both = net.op("Concat", tokens.token(net, last), net.op("ReduceMean", rest, axes=[1], keepdims=0), axis=1)
    return tokens.classify(net, both, 2 * d)


def two_tokens(seed, d=12):
    """A class and a distillation token, each with a classifier, averaged."""
    net = Net(seed)
    cells = tokens.with_prefix(net, tokens.as_tokens(net, tokens.patches(net, (4, 4), d), d), 2, d)
    last = net.norm(tokens.block(net, cells, d, "b0"), d, out="norm")
    heads = [net.dense(tokens.token(net, last, i), d, 5) for i in range(2)]
    net.op("Div", net.op("Add", *heads), np.float32(2), out="y")
    return net


def pooled_behind(seed, d=12):
    """Tokens turned to [N, D, T] and averaged by a pooling operator."""
    net, cells = start(seed, d)
    turned = net.transpose(net.norm(cells, d, out="norm"), 0, 2, 1, out="turned")
    return tokens.classify(net, net.op("Flatten", net.op("GlobalAveragePool", turned)), d)


def flat_patches(seed, d=12):
    """Patches cut by a reshape and a transposition, without a convolution."""
    net = Net(seed)
    cut = net.transpose(net.reshape(net.x, 0, 3, 4, 8, 4, 8), 0, 2, 4, 3, 5, 1)
    cells = tokens.block(net, net.dense(net.reshape(cut, 0, 16, 192), 192, d), d, "b0")
    return tokens.classify(net, net.op("ReduceMean", net.norm(cells, d, out="norm"), axes=[1], keepdims=0), d)


def late_tokens(seed, d=12):
    """Convolutions, then tokens to the end, as in EfficientFormer."""
    net = Net(seed)
    maps = net.op("Relu", net.conv(net.trunk(), 8, d, stride=2, out="c3"), out="r3")
    cells = tokens.block(net, tokens.as_tokens(net, maps, d), d, "b0")
    return tokens.classify(net, net.op("ReduceMean", net.norm(cells, d, out="norm"), axes=[1], keepdims=0), d)


def across_channels(seed, d=12):
    """Attention among channels, as in XCiT."""

    def mix(net, cells, d):
        q, k, v = (net.transpose(net.dense(cells, d, d), 0, 2, 1) for _ in range(3))
        scores = net.op("Mul", net.op("MatMul", q, net.transpose(k, 0, 2, 1)), np.float32(0.1))
        return net.transpose(net.op("MatMul", net.op("Softmax", scores, axis=-1), v), 0, 2, 1)

    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (8, 8), d), d)
    for i in range(2):
        cells = tokens.block(net, cells, d, f"b{i}", mix=mix)
    return tokens.classify(net, net.op("ReduceMean", net.norm(cells, d, out="norm"), axes=[1], keepdims=0), d)


def normed_rows(seed, d=12):
    """Batch norms over tokens that are laid out as rows, as in LeViT."""
    net, cells = start(seed, d)
    parameters = [net.weight(d, scale=0.1) + np.float32(1), net.weight(d, scale=0.1), net.weight(d, scale=0.1)]
    rows = net.op("Flatten", cells, axis=2)
    rows = net.op("BatchNormalization", net.reshape(rows, -1, d), *parameters, np.ones(d, np.float32))
    cells = net.op("HardSwish", net.reshape(rows, -1, 16, d, out="rows_back"), out="last")
    return tokens.classify(net, net.op("ReduceMean", cells, axes=[1], keepdims=0), d)


def reduced(seed, d=10):
    """Keys and values from a smaller map that is made of the tokens again, as in PVT and SegFormer."""

    def mix(net, cells, d):
        maps = net.reshape(net.transpose(cells, 0, 2, 1), 0, d, 8, 8)
        few = tokens.as_tokens(net, net.op("Conv", maps, net.weight(d, d, 2, 2), strides=[2, 2]), d)
        q, k, v = net.dense(cells, d, d), net.dense(few, d, d), net.dense(few, d, d)
        scores = net.op("Mul", net.op("MatMul", q, net.transpose(k, 0, 2, 1)), np.float32(0.3))
        return net.op("MatMul", net.op("Softmax", scores, axis=-1), v)

    net = Net(seed)
    cells = tokens.as_tokens(net, tokens.patches(net, (8, 8), d), d)
    for i in range(2):
        cells = tokens.block(net, cells, d, f"b{i}", mix=mix)
    return tokens.classify(net, net.op("ReduceMean", net.norm(cells, d, out="norm"), axes=[1], keepdims=0), d)


def rolled_by_gather(seed, d=8):
    """Windows shifted by a Gather along each axis."""
    net = Net(seed)
    cells = net.norm(net.transpose(tokens.patches(net, (8, 8), d), 0, 2, 3, 1), d, out="start")
    shifted = cells
    for axis in (1, 2):
        shifted = net.op("Gather", shifted, np.roll(np.arange(8), -2), axis=axis, out=f"rolled{axis}")
    mixed = tokens.windows(net, shifted, d)
    for axis in (1, 2):
        mixed = net.op("Gather", mixed, np.roll(np.arange(8), 2), axis=axis)
    last = net.norm(net.op("Add", cells, mixed, out="sum"), d, out="norm")
    return tokens.classify(net, net.op("ReduceMean", last, axes=[1, 2], keepdims=0), d)


def add(table):
    grid = "tokens=0+4x4"
    table.explained("dino", dino(600), "norm", "tokens=1+4x4")
    table.explained("two_tokens", two_tokens(601), "norm", "tokens=2+4x4")
    table.explained("pooled_behind", pooled_behind(602), "norm", grid)
    table.explained("pooled_behind@turned", pooled_behind(602), "turned", f"{grid}:channels-first", named=True)
    table.explained("flat_patches", flat_patches(603), "norm", grid)
    table.explained("late_tokens", late_tokens(604), "norm", grid)
    table.explained("across_channels", across_channels(605), "norm", "tokens=0+8x8")
    table.explained("normed_rows", normed_rows(606), "last", grid)
    table.explained("reduced", reduced(607), "norm", "tokens=0+8x8")
    table.explained("rolled_by_gather", rolled_by_gather(608), "norm", "nhwc")
    table.refused("rolled_by_gather@rolled", rolled_by_gather(608), "no map", ask="rolled2")
