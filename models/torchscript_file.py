"""Fills a TorchScript archive with its parameters, with nothing but Python's standard library.

A *skeleton* is a traced model without its weights: the zip archive that `torch.jit.save` wrote, less the
members that hold f32 parameters, and with a list of those instead. The skeletons lie in `models`, and
`trace.py` there made them. So a machine without PyTorch still gets the very model that PyTorch would have
saved, and the same weights give the same bytes everywhere, so the result can be pinned by its hash.

The archive is written as PyTorch writes it: parameters first, nothing compressed, every member's content at
a multiple of 64 bytes, so that it can be mapped into memory.
"""

import os
import struct
import zipfile
import zlib

from tensors import little_endian, size_of

MODELS = os.path.dirname(os.path.abspath(__file__))
# The member of a skeleton that lists what is missing, as lines of `data/0 64x3x3x3 features.0.weight`.
LIST = "parameters.txt"
# Every member lies in one folder, whose name means nothing.
FOLDER = "model/"
ALIGNMENT = 64
MIDNIGHT, NEW_YEAR_1980 = 0, 1 << 5 | 1


class Skeleton:
    """A traced model that waits for its parameters."""

    def __init__(self, name):
        with zipfile.ZipFile(os.path.join(MODELS, f"{name}.skeleton.zip")) as archive:
            self._members = [(member, archive.read(member)) for member in archive.namelist() if member != LIST]
            lines = archive.read(LIST).decode().splitlines()
        # Triples of member, shape and dotted name, in the order of the archive.
        self._parameters = []
        for line in lines:
            member, shape, name = line.split(" ", 2)
            self._parameters.append((member, [int(size) for size in shape.split("x")], name))

    def write(self, weights, out):
        """Writes the archive to the file `out`; `weights(name, shape)` gives one parameter's `array('f')`."""
        filled = []
        for member, shape, name in self._parameters:
            values = weights(name, shape)
            if len(values) != size_of(shape):
                raise ValueError(f"{name} has {len(values)} values, which do not fill its shape {shape}")
            filled.append((member, little_endian(values)))
        with open(out, "wb") as file:
            write_zip(filled + self._members, file)


def write_zip(members, file):
    """Writes an uncompressed zip archive of (name, content) pairs, whose bytes depend on nothing else."""
    directory, position = [], 0
    for name, content in members:
        path = (FOLDER + name).encode()
        facts = struct.pack(
            "<5H3L2H", 0, 0, 0, MIDNIGHT, NEW_YEAR_1980, zlib.crc32(content), len(content), len(content), len(path), 0
        )
        padding = -(position + 4 + len(facts) + len(path)) % ALIGNMENT
        if 0 < padding < 4:
            padding += ALIGNMENT  # an extra field's own header takes 4 bytes
        extra = b"FB" + struct.pack("<H", padding - 4) + b"Z" * (padding - 4) if padding else b""
        local = facts[:-2] + struct.pack("<H", len(extra))
        directory.append(b"PK\1\2\0\0" + facts + struct.pack("<3H2L", 0, 0, 0, 0, position) + path)
        position += file.write(b"PK\3\4" + local + path + extra + content)
    central = b"".join(directory)
    count = len(directory)
    file.write(central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), position, 0))
