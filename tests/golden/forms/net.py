"""A small builder of ONNX graphs, and the plain runner: ONNX Runtime, one image at a time.

Weights come from each net's own seed, so that a model stays the same bytes when another is added. Operators take names of
tensors or arrays; an array becomes a constant.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
CLASSES = 5
F32 = TensorProto.FLOAT


class Net:
    """A graph under construction. `x` is the name of its image input, of shape [N, 3, SIDE, SIDE] unless given."""

    def __init__(self, seed, shape=("N", 3, SIDE, SIDE), element=F32, x="x", opset=17):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.infos, self.functions = [], [], [], []
        self.x, self.opset, self.domains, self.ir = x, opset, [], 8
        self.inputs, self.outputs, self.count = [], [], 0
        self.add_input(x, shape, element)

    def add_input(self, name, shape, element=F32):
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def add_output(self, name, shape, element=F32):
        self.outputs.append(helper.make_tensor_value_info(name, element, shape))
        return self

    def info(self, name, shape, element=F32):
        """What the file says of an inner tensor."""
        self.infos.append(helper.make_tensor_value_info(name, element, shape))

    def new(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, array, name=None):
        name = name or self.new("k")
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape, scale=None):
        """Random numbers; `scale` is that of products with them where it is not given."""
        scale = scale or 1.6 / np.sqrt(np.prod(shape[1:]))
        return (self.random.normal(0, 1, shape) * scale).astype(np.float32)

    def op(self, operator, *inputs, out=None, outs=None, domain="", **attributes):
        """Adds a node and returns the name of its (first) output."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        outputs = outs or [out or self.new(operator.lower())]
        self.nodes.append(helper.make_node(operator, names, outputs, domain=domain, **attributes))
        return outputs[0]

    def reshape(self, tensor, *shape, out=None):
        return self.op("Reshape", tensor, np.array(shape, np.int64), out=out)

    def transpose(self, tensor, *perm, out=None):
        return self.op("Transpose", tensor, perm=perm, out=out)

    def conv(self, tensor, channels_in, channels, kernel=3, stride=1, pad=None, out=None, bias=True):
        pads = [kernel // 2 if pad is None else pad] * 4
        weight = self.weight(channels, channels_in, kernel, kernel)
        biases = [self.weight(channels, scale=0.2)] if bias else []
        return self.op("Conv", tensor, weight, *biases, out=out, strides=[stride] * 2, pads=pads)

    def dense(self, tensor, inputs, outputs, out=None):
        """A product with [inputs, outputs] over the last axis, as MatMul and Add."""
        product = self.op("MatMul", tensor, self.weight(outputs, inputs).T.copy())
        return self.op("Add", product, self.weight(outputs, scale=0.3), out=out)

    def norm(self, tensor, channels, out=None):
        scale = (1 + self.weight(channels, scale=0.1)).astype(np.float32)
        return self.op("LayerNormalization", tensor, scale, self.weight(channels, scale=0.1), out=out, axis=-1)

    def trunk(self, tensor=None, channels_in=3, last="r2", stride=2):
        """Two convolutions with ReLU: [N, 8, SIDE / 4, SIDE / 4] called `last`."""
        first = self.op("Relu", self.conv(tensor or self.x, channels_in, 6, stride=stride, out="c1"), out="r1")
        return self.op("Relu", self.conv(first, 6, 8, stride=2, out="c2"), out=last)

    def head(self, maps, channels=8, classes=CLASSES, out="y"):
        """Averages maps [N, channels, h, w] and classifies."""
        flat = self.op("Flatten", self.op("GlobalAveragePool", maps, out="gp"), out="f")
        return self.op("Gemm", flat, self.weight(channels, classes, scale=2.0), self.weight(classes, scale=0.3), out=out)

    def model(self):
        graph = helper.make_graph(
            self.nodes, "forms", self.inputs, self.outputs or [score_output()], self.constants, value_info=self.infos
        )
        opsets = [helper.make_opsetid("", self.opset)] + [helper.make_opsetid(d, 1) for d in self.domains]
        model = helper.make_model(graph, opset_imports=opsets, functions=self.functions, producer_name="forms")
        model.ir_version = self.ir
        return model


def score_output(name="y", shape=("N", CLASSES), element=F32):
    return helper.make_tensor_value_info(name, element, shape)


def cnn(seed, **net):
    """A plain classifier."""
    net = Net(seed, **net)
    net.head(net.trunk())
    return net


class Runner:
    """A model with inner tensors as further outputs, run on one image at a time."""

    def __init__(self, model, taps, level="ORT_DISABLE_ALL"):
        model = onnx.ModelProto.FromString(model.SerializeToString())
        known = {o.name for o in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=t) for t in taps if t not in known)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        # In the plainest pass nothing is fused, so that tapped tensors are those of the file.
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, names, feeds):
        return self.session.run(names, feeds)
