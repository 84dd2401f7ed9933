"""torchvision's ResNet-18 with random weights as a TorchScript file.

    python3 resnet18_random.py OUT.pt

A network of the kind that most people trace, for tests and measurements that need its shape and not its
knowledge. The weights are drawn from SHAKE-128 of their names, so they are the same on every machine, and
scaled so that activations stay of the order of 1 through all layers and logits differ between classes.
Input [N, 3, 224, 224] of about unit variance, output logits [N, 1000].
Needs Python 3.8 or newer and no package.
"""

import hashlib
import math
import sys
from array import array

from tensors import size_of
from torchscript_file import Skeleton


def main(out):
    Skeleton("resnet18").write(weights, out)


def weights(name, shape):
    """One parameter, spread evenly around its centre."""
    centre, reach = spread(name, shape)
    return array("f", [centre + reach * (value / 32768) for value in draw(name, size_of(shape))])


def spread(name, shape):
    """The centre of a parameter's values, and how far they lie from it."""
    part = name.rsplit(".", 1)[1]
    if len(shape) == 4:  # a convolution, scaled as He et al. do it
        return 0.0, math.sqrt(6 / (shape[1] * shape[2] * shape[3]))
    if name == "fc.weight":
        return 0.0, 0.125
    if part == "running_var":
        return 1.0, 0.25
    if part == "weight":
        # The second normalisation of a block is damped, or the sum would grow from block to block.
        return (0.5, 0.25) if ".bn2." in name else (1.0, 0.25)
    return 0.0, 0.125


def draw(name, count):
    """`count` integers from -32768 to 32767."""
    values = array("h")
    values.frombytes(hashlib.shake_128(f"scorecam resnet18 {name}".encode()).digest(2 * count))
    if sys.byteorder == "big":
        values.byteswap()
    return values


if __name__ == "__main__":
    main(*sys.argv[1:])
