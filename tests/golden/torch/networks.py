"""The small networks: one for every shape that a TorchScript classifier takes and a backend must cope with.

All take [N, 3, 16, 16] and score CLASSES classes, unless their docstring says otherwise. `NETWORKS` at the end
lists them with the way in which each becomes TorchScript.
"""

from typing import Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 5
AUX = 3


class Plain(nn.Module):
    """Two convolutions and a classifier, the frame of most networks below."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.relu2 = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(32, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.relu2(self.conv2(self.relu1(self.conv1(x))))

    def classify(self, x: Tensor) -> Tensor:
        return self.fc(self.flatten(self.pool(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


class InPlace(nn.Module):
    """Every tapped value is overwritten by what follows: conv1 by a ReLU, norm by a sum, and that by a ReLU."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(24, CLASSES)
        with torch.no_grad():
            self.norm.running_mean.uniform_(-0.5, 0.5)
            self.norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        shortcut = self.relu1(self.conv1(x))
        x = self.norm(self.conv2(shortcut))
        x += shortcut
        return self.fc(torch.flatten(self.pool(self.relu2(x)), 1))


class ModifiesInput(Plain):
    """Normalises the caller's tensor in place before it looks at it."""

    def forward(self, x):
        x.sub_(0.25).mul_(0.5)
        return self.classify(self.features(x))


class Branches(Plain):
    """Scripted, with branches on the mode and on the batch; `wide` and `narrow` are called inside one."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.wide = nn.Conv2d(6, 6, 3, padding=1)
        self.narrow = nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(x))
        if self.training:
            x = self.dropout(x)
        if x.size(0) > 4:
            x = self.wide(x)
        else:
            x = self.narrow(x)
        return self.classify(self.relu2(self.conv2(x)))


class Twice(Plain):
    """Calls `shared` and `relu1` twice."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.shared(self.conv1(x)))
        x = self.relu1(self.shared(x))
        return self.classify(self.relu2(self.conv2(x)))


class WithAux(Plain):
    """Two heads, as networks that return more than scores have."""

    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(32, AUX)

    def heads(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        x = self.flatten(self.pool(self.features(x)))
        return self.fc(x), self.aux(x)


class ReturnsTuple(WithAux):
    """Returns (scores, aux)."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        return self.heads(x)


class ReturnsDict(WithAux):
    """Returns {"logits": scores, "aux": aux}."""

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        logits, aux = self.heads(x)
        return {"logits": logits, "aux": aux}


class Heads(NamedTuple):
    aux: Tensor
    logits: Tensor


class ReturnsNamedTuple(WithAux):
    """Returns a NamedTuple whose second field is the scores."""

    def forward(self, x: Tensor) -> Heads:
        logits, aux = self.heads(x)
        return Heads(aux, logits)


class TwoInputs(Plain):
    """Takes an image and a vector [N, 4]."""

    def __init__(self):
        super().__init__()
        self.extra = nn.Linear(4, CLASSES)

    def forward(self, image, vector):
        return self.classify(self.features(image)) + self.extra(vector)


class Split(nn.Module):
    """Returns two tensors as a tuple."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        return x, x * 0.5


class Pyramid(nn.Module):
    """Returns two tensors as a list."""

    def forward(self, x: Tensor) -> List[Tensor]:
        return [x, functional.avg_pool2d(x, 2)]


class ManyTensors(Plain):
    """`split` gives a tuple and `pyramid` a list; neither is one activation."""

    def __init__(self):
        super().__init__()
        self.split = Split()
        self.pyramid = Pyramid()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.split(self.features(x))
        large, small = self.pyramid(left + right)
        return self.classify(large) + self.classify(small)


class Perceptron(nn.Module):
    """No layer has a spatial extent."""

    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(3 * 16 * 16, 8)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(self.flatten(x))))


class EndsInSoftmax(Plain):
    """The softmax is a module."""

    def __init__(self):
        super().__init__()
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        return self.softmax(self.classify(self.features(x)))


class EndsInSoftmaxCall(Plain):
    """The softmax is a call, seen only in the graph."""

    def forward(self, x):
        return functional.softmax(self.classify(self.features(x)), 1)


class FixedBatch(Plain):
    """A trace at a batch of 2 bakes that batch into the reshape."""

    def forward(self, x):
        x = self.pool(self.features(x))
        return self.fc(x.reshape(int(x.shape[0]), 32))


class NamesDevice(Plain):
    """Makes a tensor on a device that the code names."""

    def forward(self, x):
        return self.classify(self.features(x)) + torch.ones(CLASSES, device=torch.device("cpu"))


class Shifted(nn.Module):
    """Writes into what its convolution returned, as a statement, and returns that."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y.add_(1.0)
        return y


class WritesInPlace(Plain):
    """In a script `block` and `block.conv` return one and the same value, and so do `hand_on` and `block`."""

    def __init__(self):
        super().__init__()
        self.block = Shifted()
        self.hand_on = nn.Identity()
        self.conv3 = nn.Conv2d(6, 8, 3, stride=2, padding=1)

    def features(self, x: Tensor) -> Tensor:
        x = self.block(self.relu1(self.conv1(x)))
        return self.relu2(self.conv2(self.hand_on(x)) + self.conv3(x))


class Joined(nn.Module):
    """Asks a setting in an if, as torchvision's MobileNetV2 does."""

    def __init__(self, residual: bool):
        super().__init__()
        self.residual = residual
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.residual:
            return x + self.conv(x)
        else:
            return self.conv(x)


class Settings(Plain):
    """Its modules run inside of ifs that ask nothing but settings, and after checks of the input's shape."""

    def __init__(self):
        super().__init__()
        self.joined = Joined(True)
        self.single = Joined(False)

    def features(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise ValueError("a batch of images is needed")
        return self.relu2(self.conv2(self.single(self.joined(self.relu1(self.conv1(x))))))


class ChannelsLast(Plain):
    """Takes [N, 16, 16, 3]."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x.permute(0, 3, 1, 2)))


class Grey(Plain):
    """Takes [N, 1, 16, 16], and normalises it before a convolution is seen."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features((x - 0.5) / 0.25))


class Segments(Plain):
    """Scores every pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)


class Counts(Plain):
    """Writes to its own attribute in each pass."""

    def __init__(self):
        super().__init__()
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.classify(self.features(x))


# File stem -> the network, how it becomes TorchScript, and the batches that it is tried with.
NETWORKS = {
    "plain": (Plain, "trace", [1, 2]),
    "plain_scripted": (Plain, "script", [1, 2]),
    "plain_frozen": (Plain, "freeze", [2]),
    "inplace": (InPlace, "trace", [1, 2]),
    "modifies_input": (ModifiesInput, "trace", [2]),
    "branches": (Branches, "script", [2, 6]),
    "branches_in_training": (Branches, "script in training", [2]),
    "traced_in_training": (Branches, "trace in training", []),
    "twice": (Twice, "trace", [2]),
    "twice_scripted": (Twice, "script", [2]),
    "tuple": (ReturnsTuple, "trace", [2]),
    "dict": (ReturnsDict, "script", [2]),
    "dict_traced": (ReturnsDict, "trace", [2]),
    "named_tuple": (ReturnsNamedTuple, "script", [2]),
    "two_inputs": (TwoInputs, "trace", []),
    "many_tensors": (ManyTensors, "trace", [2]),
    "many_tensors_scripted": (ManyTensors, "script", [2]),
    "mlp": (Perceptron, "trace", [2]),
    "softmax": (EndsInSoftmax, "trace", [2]),
    "softmax_call": (EndsInSoftmaxCall, "trace", [2]),
    "fixed_batch": (FixedBatch, "trace", [2]),
    "writes_in_place": (WritesInPlace, "script", [2]),
    "settings": (Settings, "script", [2]),
    "counts": (Counts, "script", [2]),
    "channels_last": (ChannelsLast, "script", []),
    "grey": (Grey, "script", []),
    "segments": (Segments, "script", []),
    "half_frozen": (Plain, "freeze half", []),
}
