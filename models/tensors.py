"""Dense f32 tensors as plain arrays, and the bytes that stand for them in a file.

The readers of weights give tensors, and the writers of models take them, so that a network's two forms, ONNX
and TorchScript, come from the same reader. Values are an `array('f')` in row-major order; in files they are
little-endian, whatever the machine's own order.
"""

import collections
import struct
import sys
from array import array

Tensor = collections.namedtuple("Tensor", "shape values")


def size_of(shape):
    """How many values a tensor of this shape has."""
    count = 1
    for size in shape:
        count *= size
    return count


def little_endian(values):
    """The bytes of an `array` as models store them, whatever the machine's own order."""
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def floats(raw):
    """The opposite of `little_endian`: an `array('f')` from stored bytes."""
    values = array("f")
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def scalar(value):
    """An `array('f')` of one value, for a weight of shape ()."""
    return floats(struct.pack("<f", value))
