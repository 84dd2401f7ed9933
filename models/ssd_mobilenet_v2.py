"""SSD with MobileNetV2 (23 classes of Open Images V4) as an ONNX file, from the weights inside an npm package.

    python3 ssd_mobilenet_v2.py mediapipe-objectron-0.4.1675468480.tgz OUT.onnx

The package (Apache-2.0) holds a TensorFlow Lite model of f16 weights, which become f32. That model ends in box
encodings and logits of 1917 anchors; this file goes on to boxes and probabilities, as MediaPipe's own code does.

Input `image` [N, 3, 300, 300], RGB, pixel / 127.5 - 1; last tensor before the heads `Conv_1` [N, 1280, 10, 10];
outputs `boxes` [N, 1917, 4], center and size relative to the input, and `scores` [N, 1917, 24], each a probability of
its own, column 0 being the background. Padding is TensorFlow's SAME, more at the end than at the start.
Needs Python 3.8 or newer and no package.
"""

import math
import sys
import tarfile
from array import array

import tflite_file
from onnx_file import Graph
from tensors import scalar

MEMBER = "package/objectron_solution_packed_assets.data"
MAGIC = b"TFL3"  # bytes 4 to 8 of the model
INPUT_SIZE, CLASSES = 300, 24
# Of MediaPipe's SSD: the grids, the scales of their anchors, and by how much box encodings are divided.
GRIDS = [19, 10, 5, 3, 2, 1]
SCALES = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]
CENTER_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
SAME, RELU6 = 0, 3


def main(package, out):
    with tarfile.open(package) as archive:
        packed = archive.extractfile(MEMBER).read()
    model = Network(tflite_file.read(packed[packed.index(MAGIC) - 4 :])).build()
    with open(out, "wb") as file:
        file.write(model)


class Network:
    """Lays down the operators of the TensorFlow Lite model one by one, then what follows them."""

    def __init__(self, model):
        self.model = model
        self.graph = Graph("ssd_mobilenet_v2")
        self.names = {model.inputs[0]: "image"}
        self.weights = {}
        self.anchors = list(anchors())

    def build(self):
        """The bytes of the ONNX file."""
        self.graph.weight("zero", [], scalar(0.0))
        self.graph.weight("six", [], scalar(6.0))
        steps = {
            "CONV_2D": self.conv, "DEPTHWISE_CONV_2D": self.conv, "ADD": self.add, "RESHAPE": self.reshape,
            "CONCATENATION": self.concat, "DEQUANTIZE": self.dequantize,
        }
        for operator in self.model.operators:
            steps[operator.kind](operator)
        encodings, logits = (self.names[index] for index in self.model.outputs)
        boxes = self.decode(encodings)
        self.graph.node("Sigmoid", [logits], "scores")
        count = len(self.anchors)
        return self.graph.model({"image": [3, INPUT_SIZE, INPUT_SIZE]}, {boxes: [count, 4], "scores": [count, CLASSES]})

    def dequantize(self, operator):
        self.weights[operator.output] = tflite_file.values(self.model.tensors[operator.inputs[0]])

    def conv(self, operator):
        """A convolution, with its ReLU6 if it has one. Kernels go from [out, h, w, in] to [out, in, h, w]."""
        x, kernel, bias = operator.inputs
        depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        shape, values = self.weights[kernel]
        if depthwise:
            (_, height, width, channels), inside = shape, 1
            values = axes_moved(values, 1, height * width, channels)
        else:
            channels, height, width, inside = shape
            values = axes_moved(values, channels, height * width, inside)
        # The field of a depthwise convolution between strides and activation is its multiplier.
        padding, right, down = (operator.options.int8(0), operator.options.int32(1), operator.options.int32(2))
        activation = operator.options.int8(4 if depthwise else 3)
        if padding != SAME or right != down or activation not in (0, RELU6):
            raise ValueError(f"{self.name(operator)}: padding, strides or activation are others than are converted")
        name, out = self.name(operator), self.shape(operator.output)
        conv = f"{name}/conv" if activation else name
        self.graph.weight(f"{name}.weight", [channels, inside, height, width], values)
        self.graph.weight(f"{name}.bias", [channels], self.weights[bias].values)
        self.graph.node(
            "Conv",
            [self.names[x], f"{name}.weight", f"{name}.bias"],
            conv,
            out,
            kernel_shape=[height, width],
            strides=[down, right],
            pads=same_padding(self.shape(x)[1], out[1], height, down),
            group=channels if depthwise else 1,
        )
        if activation:
            self.graph.node("Clip", [conv, "zero", "six"], name, out)
        self.names[operator.output] = name

    def add(self, operator):
        name = self.name(operator)
        inputs = [self.names[index] for index in operator.inputs]
        self.names[operator.output] = self.graph.node("Add", inputs, name, self.shape(operator.output))

    def reshape(self, operator):
        """A grid's outputs [anchors * k, h, w] as rows [h * w * anchors, k]; of rows, the same rows."""
        x, columns = operator.inputs[0], self.model.tensors[operator.output].shape[-1]
        name, x_shape = self.name(operator), self.model.tensors[x].shape
        if self.model.tensors[operator.output].shape[1] == x_shape[1]:
            self.names[operator.output] = self.names[x]
            return
        _, height, width, channels = x_shape
        last = self.graph.node(
            "Transpose", [self.names[x]], f"{name}/nhwc", [height, width, channels], perm=[0, 2, 3, 1]
        )
        shape = self.graph.integers(f"{name}.shape", [0, -1, columns])
        rows = [height * width * channels // columns, columns]
        self.names[operator.output] = self.graph.node("Reshape", [last, shape], name, rows)

    def concat(self, operator):
        shape = self.model.tensors[operator.output].shape
        inputs = [self.names[index] for index in operator.inputs]
        name = self.name(operator)
        self.names[operator.output] = self.graph.node("Concat", inputs, name, [shape[1], shape[-1]], axis=1)

    def decode(self, encodings):
        """Boxes [n, 4] as center and size, of encodings dy, dx, log height, log width relative to the anchors."""
        centers, sizes = array("f"), array("f")
        for x, y, width, height in self.anchors:
            centers.extend([x, y])
            sizes.extend([width, height])
        rows = [len(self.anchors), 2]
        self.graph.weight("anchors.center", [1, *rows], centers)
        self.graph.weight("anchors.size", [1, *rows], sizes)
        self.graph.weight("center_variance", [], scalar(CENTER_VARIANCE))
        self.graph.weight("size_variance", [], scalar(SIZE_VARIANCE))
        node = self.graph.node
        offset = node("Gather", [encodings, self.graph.integers("dx_dy", [1, 0])], "offset", rows, axis=2)
        offset = node("Mul", [offset, "center_variance"], "offset/varied", rows)
        offset = node("Mul", [offset, "anchors.size"], "offset/relative", rows)
        center = node("Add", [offset, "anchors.center"], "center", rows)
        growth = node("Gather", [encodings, self.graph.integers("dw_dh", [3, 2])], "growth", rows, axis=2)
        growth = node("Mul", [growth, "size_variance"], "growth/varied", rows)
        growth = node("Exp", [growth], "growth/factor", rows)
        size = node("Mul", [growth, "anchors.size"], "size", rows)
        return node("Concat", [center, size], "boxes", axis=2)

    def name(self, operator):
        """TensorFlow's name of an operator, without what is the same in many or was fused into it."""
        name = self.model.tensors[operator.output].name.split(";")[0]
        for ending in ("/Relu6", "/BatchNorm/FusedBatchNormV3", "/BiasAdd"):
            if name.endswith(ending):
                name = name[: -len(ending)]
        return name.replace("FeatureExtractor/MobilenetV2/", "")

    def shape(self, index):
        """Channels, height and width of a tensor."""
        _, height, width, channels = self.model.tensors[index].shape
        return [channels, height, width]


def anchors():
    """Center x, y, width and height of each anchor, relative to the input: grid by grid, row by row."""
    for level, grid in enumerate(GRIDS):
        for row in range(grid):
            for column in range(grid):
                for scale, ratio in anchor_shapes(level):
                    across = math.sqrt(ratio)
                    yield (column + 0.5) / grid, (row + 0.5) / grid, scale * across, scale / across


def anchor_shapes(level):
    """Scale and ratio of width to height of the anchors in a cell; the finest grid has fewer."""
    if level == 0:
        return [(0.1, 1.0), (SCALES[0], 2.0), (SCALES[0], 0.5)]
    scale, between = SCALES[level], math.sqrt(SCALES[level] * SCALES[level + 1])
    return [(scale, ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)] + [(between, 1.0)]


def axes_moved(values, blocks, places, channels):
    """`blocks` arrays of [places, channels] as [channels, places]."""
    if places == 1:
        return values
    moved, size = array("f"), places * channels
    for start in range(0, blocks * size, size):
        for channel in range(channels):
            moved.extend(values[start + channel : start + size : channels])
    return moved


def same_padding(size, out, width, stride):
    """TensorFlow's SAME for a square input: top, left, bottom, right."""
    missing = max((out - 1) * stride + width - size, 0)
    start, end = missing // 2, missing - missing // 2
    return [start, start, end, end]


if __name__ == "__main__":
    main(*sys.argv[1:])
