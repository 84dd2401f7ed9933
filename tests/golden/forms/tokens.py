"""Networks of tokens: transformers of every arrangement that exporters write. Each function returns a `Net`."""

import numpy as np

from net import CLASSES, SIDE, Net


def patches(net, grid, d, kernel=None, out=None):
    """The image as maps [N, d, h, w], one cell a patch, of which the weights see a corner: so that files are small."""
    height, width = kernel or (SIDE // grid[0], SIDE // grid[1])
    weight = net.weight(d, 3, (height + 1) // 2, (width + 1) // 2)
    return net.op("Conv", net.x, weight, net.weight(d, scale=0.2), strides=[height, width], out=out)


def as_tokens(net, maps, d, by_columns=False, out=None):
    """Maps as tokens [N, T, d], row by row or column by column."""
    if by_columns:
        maps = net.transpose(maps, 0, 1, 3, 2)
    return net.transpose(net.reshape(maps, 0, d, -1), 0, 2, 1, out=out)


def with_prefix(net, tokens, count, d):
    """`count` learned tokens before the others: a class token, a distillation token, registers."""
    batch = net.op("Gather", net.op("Shape", tokens), np.array([0], np.int64))
    shape = net.op("Concat", batch, np.array([count, d], np.int64), axis=0)
    learned = net.op("Expand", net.weight(1, count, d, scale=0.5), shape)
    return net.op("Concat", learned, tokens, axis=1)


def attention(net, tokens, d, heads=2):
    """Self-attention over [N, T, d]."""

    def split(perm):
        return net.transpose(net.reshape(net.dense(tokens, d, d), 0, -1, heads, d // heads), *perm)

    q, k, v = split((0, 2, 1, 3)), split((0, 2, 3, 1)), split((0, 2, 1, 3))
    scores = net.op("Mul", net.op("MatMul", q, k), np.float32((d // heads) ** -0.5))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    return net.dense(net.reshape(net.transpose(mixed, 0, 2, 1, 3), 0, -1, d), d, d)


def mlp(net, tokens, d):
    return net.dense(net.op("Relu", net.dense(tokens, d, 2 * d)), 2 * d, d)


def block(net, tokens, d, name, mix=attention):
    """A transformer block, norms before; its tensors are called `name`.*."""
    tokens = net.op("Add", tokens, mix(net, net.norm(tokens, d, out=f"{name}.ln1"), d), out=f"{name}.mid")
    return net.op("Add", tokens, mlp(net, net.norm(tokens, d, out=f"{name}.ln2"), d), out=f"{name}.out")


def classify(net, features, d, classes=CLASSES):
    net.op("Gemm", features, net.weight(d, classes, scale=1.2), net.weight(classes, scale=0.3), out="y")
    return net


def token(net, tokens, index=0):
    """One token [N, d]."""
    return net.op("Gather", tokens, np.array(index, np.int64), axis=1)


def vit(seed, before=1, grid=(4, 4), d=12, pool="class", by_columns=False, shape=None):
    """A ViT with `before` tokens of no cell; pooled by the class token or by the mean of the others."""
    net = Net(seed, shape=shape or ("N", 3, SIDE, SIDE))
    size = (SIDE, SIDE) if shape is None else shape[2:]
    kernel = (size[0] // grid[0], size[1] // grid[1])
    tokens = as_tokens(net, patches(net, grid, d, kernel), d, by_columns)
    if before:
        tokens = with_prefix(net, tokens, before, d)
    tokens = net.op("Add", tokens, net.weight(1, before + grid[0] * grid[1], d, scale=0.2))
    for i in range(2):
        tokens = block(net, tokens, d, f"b{i}")
    last = net.norm(tokens, d, out="norm")
    if pool == "class":
        return classify(net, token(net, last), d)
    if before:
        starts, ends = np.array([before], np.int64), np.array([2**31 - 1], np.int64)
        last = net.op("Slice", last, starts, ends, np.array([1], np.int64), out="cells")
    return classify(net, net.op("ReduceMean", last, axes=[1], keepdims=0), d)


def tokens_behind_channels(seed, d=10):
    """Tokens as [N, D, T] throughout, as networks of 1 x 1 convolutions over a sequence have them."""
    net = Net(seed)
    tokens = net.reshape(patches(net, (4, 4), d), 0, d, -1, out="seq")
    for i in range(2):
        mixed = net.op("MatMul", tokens, net.weight(16, 16))
        tokens = net.op("Add", tokens, net.op("Relu", mixed), out=f"mix{i}")
        mixed = net.op("Conv", tokens, net.weight(d, d, 1), net.weight(d, scale=0.2))
        tokens = net.op("Add", tokens, net.op("Relu", mixed), out=f"chan{i}")
    return classify(net, net.op("ReduceMean", tokens, axes=[2], keepdims=0), d)


def mixer(seed, d=12, grid=(4, 4)):
    """An MLP-Mixer: products over the tokens of a transposed tensor, then over channels."""
    net = Net(seed)
    count = grid[0] * grid[1]
    tokens = as_tokens(net, patches(net, grid, d), d)
    for i in range(2):
        turned = net.transpose(net.norm(tokens, d, out=f"m{i}.ln1"), 0, 2, 1)
        mixed = net.transpose(mlp(net, turned, count), 0, 2, 1)
        tokens = net.op("Add", tokens, mixed, out=f"m{i}.mid")
        tokens = net.op("Add", tokens, mlp(net, net.norm(tokens, d, out=f"m{i}.ln2"), d), out=f"m{i}.out")
    return classify(net, net.op("ReduceMean", net.norm(tokens, d, out="norm"), axes=[1], keepdims=0), d)


def attention_pooled(seed, d=12):
    """Tokens read out by one learned query, as SigLIP and CoCa do."""
    net = Net(seed)
    tokens = as_tokens(net, patches(net, (4, 4), d), d)
    tokens = net.norm(block(net, block(net, tokens, d, "b0"), d, "b1"), d, out="norm")
    k, v = net.dense(tokens, d, d), net.dense(tokens, d, d)
    scores = net.op("MatMul", net.weight(1, 1, d), net.transpose(k, 0, 2, 1))
    pooled = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    pooled = net.dense(net.op("Squeeze", pooled, np.array([1], np.int64)), d, d)
    return classify(net, pooled, d)


def lnd_attention(net, tokens, d, heads=2):
    """Self-attention over [T, N, d] as torch.nn.MultiheadAttention is exported."""
    count = 17

    def split(perm):
        return net.transpose(net.reshape(net.dense(tokens, d, d), count, -1, d // heads), *perm)

    q, k, v = split((1, 0, 2)), split((1, 2, 0)), split((1, 0, 2))
    scores = net.op("Mul", net.op("MatMul", q, k), np.float32((d // heads) ** -0.5))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    return net.dense(net.reshape(net.transpose(mixed, 1, 0, 2), count, -1, d), d, d)


def clip(seed, d=12):
    """CLIP's image tower: [T, N, D] inside, turned back to [N, T, D] before the class token is taken."""
    net = Net(seed)
    tokens = with_prefix(net, as_tokens(net, patches(net, (4, 4), d), d), 1, d)
    tokens = net.norm(net.op("Add", tokens, net.weight(17, d, scale=0.2)), d, out="ln_pre")
    tokens = net.transpose(tokens, 1, 0, 2)
    for i in range(2):
        tokens = block(net, tokens, d, f"b{i}", mix=lnd_attention)
    tokens = net.transpose(tokens, 1, 0, 2, out="back")
    return classify(net, net.norm(token(net, tokens), d), d)


def hybrid(seed, d=12):
    """Convolutions first, then attention over their cells, then maps again, as in CoAtNet or MobileViT."""
    net = Net(seed)
    maps = net.op("Relu", net.conv(net.trunk(), 8, d, out="c3"), out="r3")
    tokens = block(net, as_tokens(net, maps, d), d, "b0")
    maps = net.reshape(net.transpose(tokens, 0, 2, 1), 0, d, 8, 8, out="maps")
    maps = net.op("Relu", net.conv(maps, d, d, out="c4"), out="r4")
    net.head(maps, d)
    return net


def cait(seed, d=12):
    """Class attention: a class token that joins behind the self-attention, and reads all tokens."""
    net = Net(seed)
    tokens = as_tokens(net, patches(net, (4, 4), d), d)
    for i in range(2):
        tokens = block(net, tokens, d, f"b{i}")
    joined = net.norm(with_prefix(net, tokens, 1, d), d, out="joined")
    query = net.op("Unsqueeze", token(net, joined), np.array([1], np.int64))
    q, k, v = net.dense(query, d, d), net.dense(joined, d, d), net.dense(joined, d, d)
    scores = net.op("MatMul", q, net.transpose(k, 0, 2, 1))
    read = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    query = net.op("Add", query, net.dense(read, d, d))
    query = net.op("Add", query, mlp(net, net.norm(query, d), d))
    return classify(net, net.op("Squeeze", net.norm(query, d), np.array([1], np.int64)), d)


def windows(net, cells, d, grid=8, window=4):
    """Cells [N, h, w, d] mixed within windows."""
    n = grid // window
    cut = net.transpose(net.reshape(cells, -1, n, window, n, window, d), 0, 1, 3, 2, 4, 5)
    mixed = attention(net, net.reshape(cut, -1, window * window, d), d)
    back = net.transpose(net.reshape(mixed, -1, n, n, window, window, d), 0, 1, 3, 2, 4, 5)
    return net.reshape(back, -1, grid, grid, d)


def rolled(net, cells, by):
    """Cells [N, h, w, d] shifted cyclically along both axes, by slices that are joined."""
    for axis in (1, 2):
        axes = np.array([axis], np.int64)
        cut, end = np.array([by], np.int64), np.array([2**31 - 1], np.int64)
        behind = net.op("Slice", cells, cut, end, axes)
        before = net.op("Slice", cells, np.array([0], np.int64), cut, axes)
        cells = net.op("Concat", behind, before, axis=axis)
    return cells


def swin(seed, d=8, as_cells=True):
    """A Swin stage of two blocks, the second with shifted windows; [N, h, w, d] throughout or tokens in between."""
    net = Net(seed)
    maps = patches(net, (8, 8), d)
    state = net.transpose(maps, 0, 2, 3, 1) if as_cells else as_tokens(net, maps, d)
    for i in range(2):
        cells = net.norm(state, d, out=f"s{i}.ln1")
        cells = cells if as_cells else net.reshape(cells, -1, 8, 8, d, out=f"s{i}.cells")
        cells = windows(net, rolled(net, cells, 2) if i else cells, d)
        cells = rolled(net, cells, -2) if i else cells
        cells = cells if as_cells else net.reshape(cells, -1, 64, d)
        state = net.op("Add", state, cells, out=f"s{i}.mid")
        state = net.op("Add", state, mlp(net, net.norm(state, d, out=f"s{i}.ln2"), d), out=f"s{i}.out")
    state = net.norm(state, d, out="norm")
    return classify(net, net.op("ReduceMean", state, axes=[1, 2] if as_cells else [1], keepdims=0), d)


def merged(seed, d=8):
    """Swin's patch merging between two stages: four strided slices joined along the channels."""
    net = Net(seed)
    cells = net.norm(net.transpose(patches(net, (8, 8), d), 0, 2, 3, 1), d, out="s0")
    cells = net.op("Add", cells, windows(net, cells, d), out="s0.out")
    parts = []
    for column in (0, 1):
        for row in (0, 1):
            at, end = np.array([row, column], np.int64), np.array([2**31 - 1] * 2, np.int64)
            axes, steps = np.array([1, 2], np.int64), np.array([2, 2], np.int64)
            parts.append(net.op("Slice", cells, at, end, axes, steps))
    cells = net.dense(net.norm(net.op("Concat", *parts, axis=-1, out="joined"), 4 * d), 4 * d, 2 * d, out="merged")
    cells = net.op("Add", cells, mlp(net, net.norm(cells, 2 * d), 2 * d), out="s1.out")
    return classify(net, net.op("ReduceMean", net.norm(cells, 2 * d, out="norm"), axes=[1, 2], keepdims=0), 2 * d)


def pvt(seed, d=10, grid=(8, 8)):
    """Tokens after a channels-last norm, reshaped back to maps."""
    net = Net(seed)
    maps = net.conv(net.trunk(), 8, d)
    last = net.norm(net.transpose(maps, 0, 2, 3, 1), d, out="ln")
    tokens = net.dense(net.reshape(last, 0, -1, d, out="tok"), d, d)
    maps = net.reshape(net.transpose(tokens, 0, 2, 1), 0, d, *grid, out="im")
    net.head(net.op("Relu", maps, out="ir"), d)
    return net
