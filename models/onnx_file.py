"""Writes an ONNX file with nothing but Python's standard library.

The model converters need a handful of ONNX's messages, and those have not changed in years. Writing the
few dozen protobuf fields here means that a fresh machine installs no package to convert a model, and that
the same weights give the same bytes everywhere, so the result can be pinned by its hash.

A `Graph` collects nodes, weights and the shapes of inner tensors in the order in which they are computed;
`Graph.model` returns the bytes of the file. Field numbers are those of onnx.proto, ONNX IR version 7,
operator set 13.
"""

from array import array

from tensors import little_endian, size_of

IR_VERSION = 7
OPERATOR_SET = 13
FLOAT, INT64 = 1, 7  # TensorProto.DataType
ATTRIBUTE_INT = 2  # AttributeProto.AttributeType.INT
ATTRIBUTE_INTS = 7  # AttributeProto.AttributeType.INTS
BATCH = "N"


class Graph:
    """One network under construction: a straight list of nodes with named tensors between them."""

    def __init__(self, name):
        self.name = name
        self._nodes = []
        self._weights = []
        self._inner = []

    def weight(self, name, shape, values):
        """Adds a constant f32 tensor; `values` is an `array('f')` in row-major order."""
        if len(values) != size_of(shape):
            raise ValueError(f"weight {name} has {len(values)} values, which do not fill its shape {shape}")
        dims = b"".join(_integer(1, size) for size in shape)
        self._weights.append(dims + _integer(2, FLOAT) + _text(8, name) + _bytes(9, little_endian(values)))

    def integers(self, name, values):
        """Adds a constant i64 vector, such as a shape or the axes that a node takes as an input; returns its name."""
        raw = little_endian(array("q", values))
        self._weights.append(_integer(1, len(values)) + _integer(2, INT64) + _text(8, name) + _bytes(9, raw))
        return name

    def node(self, operator, inputs, output, shape=None, name=None, **attributes):
        """Adds a node named like its output, unless `name` says otherwise, and returns the output's name.

        `shape` is the output's without the batch axis, and is left out for the graph's own output.
        """
        fields = [_text(1, tensor) for tensor in inputs]
        fields += [_text(2, output), _text(3, name or output), _text(4, operator)]
        fields += [_bytes(5, _attribute(key, value)) for key, value in sorted(attributes.items())]
        self._nodes.append(b"".join(fields))
        if shape is not None:
            self._inner.append(_tensor_info(output, shape))
        return output

    def model(self, inputs, outputs):
        """The whole file; shapes by name, without the batch axis, which stays free."""
        graph = b"".join(_bytes(1, node) for node in self._nodes)
        graph += _text(2, self.name)
        graph += b"".join(_bytes(5, weight) for weight in self._weights)
        graph += b"".join(_bytes(11, _tensor_info(*named)) for named in inputs.items())
        graph += b"".join(_bytes(12, _tensor_info(*named)) for named in outputs.items())
        graph += b"".join(_bytes(13, info) for info in self._inner)
        operator_set = _text(1, "") + _integer(2, OPERATOR_SET)
        return _integer(1, IR_VERSION) + _text(2, "scorecam xtask") + _bytes(7, graph) + _bytes(8, operator_set)


def _attribute(name, value):
    if isinstance(value, int):
        return _text(1, name) + _integer(3, value) + _integer(20, ATTRIBUTE_INT)
    return _text(1, name) + b"".join(_integer(8, item) for item in value) + _integer(20, ATTRIBUTE_INTS)


def _tensor_info(name, shape):
    batch = _bytes(1, _text(2, BATCH))
    dims = batch + b"".join(_bytes(1, _integer(1, size)) for size in shape)
    tensor = _integer(1, FLOAT) + _bytes(2, dims)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field, value):
    return _bytes(field, value.encode())
