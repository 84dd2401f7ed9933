"""Reads a TensorFlow Lite model with nothing but Python's standard library.

A `.tflite` file is a FlatBuffer: tables whose fields are found through offsets. `read` follows the few of them that a
converter needs, by the field numbers of TensorFlow's schema.fbs, and returns the operators in the order in which they
run. Weights stay as they are stored, in the order of axes that TensorFlow has: [out, height, width, in].
"""

import collections
import struct
from array import array

from tensors import Tensor, floats, size_of

Model = collections.namedtuple("Model", "tensors operators inputs outputs")
# `inputs` and `output` are numbers of tensors. `options` is a `Table`, or None.
Operator = collections.namedtuple("Operator", "kind inputs output options")
# `data` is empty where the tensor is computed.
Stored = collections.namedtuple("Stored", "name shape kind data")

KINDS = {0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 22: "RESHAPE"}
FLOAT32, FLOAT16, INT32 = 0, 1, 2


def read(raw):
    """The first subgraph of a model."""
    model = Table.root(raw)
    buffers = [table.bytes(0) for table in model.tables(4)]
    kinds = [max(code.int8(0), code.int32(3)) for code in model.tables(1)]
    graph = model.tables(2)[0]
    tensors = [
        Stored(t.text(3), t.int32s(0), t.int8(1), buffers[t.int32(2)]) for t in graph.tables(0)
    ]
    operators = []
    for table in graph.tables(3):
        kind = kinds[table.int32(0)]
        if kind not in KINDS:
            raise ValueError(f"operator {kind} of TensorFlow Lite is not among those that are read: {KINDS}")
        (output,) = table.int32s(2)
        operators.append(Operator(KINDS[kind], table.int32s(1), output, table.table(4)))
    return Model(tensors, operators, graph.int32s(1), graph.int32s(2))


def values(stored):
    """A stored tensor of f32, or of f16, which becomes f32."""
    if stored.kind == FLOAT32:
        found = floats(stored.data)
    elif stored.kind == FLOAT16:
        found = array("f", struct.unpack(f"<{len(stored.data) // 2}e", stored.data))
    else:
        raise ValueError(f"tensor {stored.name} has element type {stored.kind}, not f32 or f16")
    if len(found) != size_of(stored.shape):
        raise ValueError(f"tensor {stored.name} has {len(found)} values, which do not fill its shape {stored.shape}")
    return Tensor(stored.shape, found)


class Table:
    """A table at a place of a FlatBuffer; fields go by their numbers, and one that is left out has its default."""

    def __init__(self, raw, place):
        self.raw, self.place = raw, place
        self.fields = place - self._unpack("<i", place)

    @classmethod
    def root(cls, raw):
        return cls(raw, struct.unpack_from("<I", raw)[0])

    def int8(self, field, default=0):
        return self._scalar("<b", field, default)

    def int32(self, field, default=0):
        return self._scalar("<i", field, default)

    def int32s(self, field):
        start, count = self._vector(field)
        return list(struct.unpack_from(f"<{count}i", self.raw, start))

    def bytes(self, field):
        start, count = self._vector(field)
        return self.raw[start : start + count]

    def text(self, field):
        return self.bytes(field).decode()

    def table(self, field):
        place = self._place(field)
        return None if place is None else Table(self.raw, self._target(place))

    def tables(self, field):
        start, count = self._vector(field)
        return [Table(self.raw, self._target(start + 4 * index)) for index in range(count)]

    def _scalar(self, form, field, default):
        place = self._place(field)
        return default if place is None else self._unpack(form, place)

    def _vector(self, field):
        """Where a vector's elements begin, and how many there are."""
        place = self._place(field)
        if place is None:
            return 0, 0
        start = self._target(place)
        return start + 4, self._unpack("<I", start)

    def _place(self, field):
        """Where a field lies; None where it is left out."""
        entry = 4 + 2 * field
        offset = self._unpack("<H", self.fields + entry) if entry < self._unpack("<H", self.fields) else 0
        return self.place + offset if offset else None

    def _target(self, place):
        return place + self._unpack("<I", place)

    def _unpack(self, form, place):
        return struct.unpack_from(form, self.raw, place)[0]
