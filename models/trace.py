"""Makes the skeletons beside this file: traced PyTorch models without their weights.

    pip install torch==2.13.0 torchvision==0.28.0
    python trace.py

`models/torchscript_file.py` says what a skeleton is and fills it. Only whoever changes a model runs
this; the results are committed. Each parameter is given a value of its own before the model is saved, and by
that value its place in the archive is found again.

SqueezeNet and ResNet-18 are torchvision's networks, whose licence (BSD-3-Clause) is `torchvision-LICENSE.txt`.
"""

import io
import os
import struct
import zipfile
from collections import OrderedDict

import torch
import torchvision
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
# EfficientNet-Lite0, a row per stage: blocks, factor of the widening, kernel, stride of the first, channels out.
STAGES = [
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
]


def main():
    skeleton("squeezenet1_1", torchvision.models.squeezenet1_1(weights=None), 227)
    skeleton("resnet18", torchvision.models.resnet18(weights=None), 224)
    skeleton("efficientnet_lite0", EfficientNetLite0(), 224)


class EfficientNetLite0(nn.Module):
    """The network of `models/efficientnet_lite0.py` as modules, batch normalisation included."""

    def __init__(self):
        super().__init__()
        layers, channels = [step(3, 32, 3, stride=2)], 32
        for blocks, factor, kernel, stride, out in STAGES:
            for position in range(blocks):
                layers.append(Block(channels, out, factor, kernel, stride if position == 0 else 1))
                channels = out
        layers.append(step(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x):
        return self.classifier(self.flatten(self.pool(self.features(x))))


class Block(nn.Module):
    """Inverted residual: widen by 1x1, filter each channel, narrow by 1x1, add the block's input."""

    def __init__(self, channels, out, factor, kernel, stride):
        super().__init__()
        wide = channels * factor
        self.expand = step(channels, wide, 1) if factor > 1 else nn.Identity()
        self.depthwise = step(wide, wide, kernel, stride=stride, groups=wide)
        self.project = step(wide, out, 1)[:-1]  # nothing cuts off what the sum is made of
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        narrow = self.project(self.depthwise(self.expand(x)))
        return narrow + x if self.residual else narrow


def step(channels, out, kernel, stride=1, groups=1):
    """Convolution, normalisation, ReLU6. The padding is TensorFlow's SAME: at stride 2, one more at the end."""
    start = end = kernel // 2
    layers = OrderedDict()
    if stride == 2:
        layers["pad"] = nn.ZeroPad2d((start - 1, end, start - 1, end))
        start = 0
    layers["conv"] = nn.Conv2d(channels, out, kernel, stride, start, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(out, eps=1e-3)
    layers["relu6"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)


def skeleton(name, model, size):
    """Writes `NAME.skeleton.zip` for a model of images of this size."""
    tensors = list(model.state_dict().items())
    with torch.no_grad():
        for index, (_, tensor) in enumerate(tensors):
            tensor.fill_(index if tensor.dtype == torch.float32 else 0)
    traced = torch.jit.trace(model.eval(), torch.zeros(1, 3, size, size), check_trace=False)
    saved = io.BytesIO()
    torch.jit.save(traced, saved)
    parameters, kept = [], []
    with zipfile.ZipFile(saved) as archive:
        for member in archive.infolist():
            inner, content = member.filename.split("/", 1)[1], archive.read(member)
            if inner.startswith("data/") and len(content) > 0 and not is_counter(content):
                path, tensor = tensors[int(struct.unpack_from("<f", content)[0])]
                if len(content) != 4 * tensor.numel():
                    raise ValueError(f"{inner} is not {path}")
                parameters.append(f"{inner} {'x'.join(map(str, tensor.shape))} {path}\n")
            # The code's origins are paths on this machine, and the id is a hash of content that will change.
            elif not inner.endswith(".debug_pkl") and inner != ".data/serialization_id":
                kept.append((inner, content))
    expected = [path for path, tensor in tensors if tensor.dtype == torch.float32]
    if sorted(line.split()[2] for line in parameters) != sorted(expected):
        raise ValueError(f"not every parameter of {name} was found in its archive")
    with zipfile.ZipFile(os.path.join(HERE, f"{name}.skeleton.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for inner, content in [("parameters.txt", "".join(parameters).encode()), *kept]:
            out.writestr(zipfile.ZipInfo(inner), content, zipfile.ZIP_DEFLATED)


def is_counter(content):
    """Whether this is a batch normalisation's count of batches, an i64 of zero, and no f32 parameter."""
    return content == bytes(8)


if __name__ == "__main__":
    main()
