"""Makes the models whose tensors are no plain maps or class scores, and their golden maps: `python forms.py`.

Needs torch 2.13.0 and numpy. All networks have random weights and take [N, 3, 32, 32]. Each row of `CASES` is explained by
`../reference.py` (Score-CAM, preset `official`) and `../grad_cam.py` (Grad-CAM, preset `official`) on the maps that this
script itself reads out of the tensor of an eager module's hook, so nothing here knows how the plugin reads tensors.
Gradients are those of autograd. The index is `forms.json`, the maps are in `forms/maps.npy`.
"""

import json
import sys
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent))  # behind this folder, which has a `make` of its own
import grad_cam  # noqa: E402
import reference  # noqa: E402

SIDE, CLASSES = 32, 5


class Attention(nn.Module):
    """Self-attention over [N, T, D]; `softmax` and `mix` are modules, as some libraries have them."""

    def __init__(self, d, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.softmax = nn.Softmax(dim=-1)
        self.drop = nn.Dropout(0.1)
        self.proj = nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = self.drop(self.softmax(q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5))
        return self.proj((scores @ v).transpose(1, 2).reshape(n, t, d))


class Block(nn.Module):
    """A transformer block over any tensor whose last axis is the channels."""

    def __init__(self, d, mix):
        super().__init__()
        self.norm1, self.mix, self.norm2 = nn.LayerNorm(d), mix, nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """A class token, registers where there are any, and 4 x 4 patches."""

    def __init__(self, d=12, before=1):
        super().__init__()
        self.patches = nn.Conv2d(3, d, 8, 8)
        self.first = nn.Parameter(torch.randn(1, before, d) * 0.5)
        self.places = nn.Parameter(torch.randn(1, before + 16, d) * 0.2)
        self.blocks = nn.Sequential(*(Block(d, Attention(d)) for _ in range(2)))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class WindowAttention(nn.Module):
    """Attention within windows of 4 x 4 of [N, h, w, C]."""

    def __init__(self, d):
        super().__init__()
        self.attention = Attention(d)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, d = x.shape
        windows = x.view(n, h // 4, 4, w // 4, 4, d).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, d)
        mixed = self.attention(windows).view(n, h // 4, w // 4, 4, 4, d)
        return mixed.permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, d)


class Merging(nn.Module):
    """Four neighbors of [N, h, w, C] become one cell."""

    def __init__(self, d):
        super().__init__()
        self.reduce = nn.Linear(4 * d, 2 * d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, d = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, d).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduce(x)


class Swin(nn.Module):
    """[N, h, w, C] from the first block to the pooling."""

    def __init__(self, d=8):
        super().__init__()
        self.patches = nn.Conv2d(3, d, 2, 2)
        self.stage1 = Block(d, WindowAttention(d))
        self.merge = Merging(d)
        self.stage2 = Block(2 * d, WindowAttention(2 * d))
        self.norm = nn.LayerNorm(2 * d)
        self.head = nn.Linear(2 * d, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(self.patches(x).permute(0, 2, 3, 1))
        return self.head(self.norm(self.stage2(self.merge(x))).mean((1, 2)))


class Trunk(nn.Module):
    """Two convolutions to [N, 8, 8, 8]."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.conv2(self.relu1(self.conv1(x))))


class Classifier(nn.Module):
    """A trunk and a linear layer on what is averaged of it."""

    def __init__(self, classes=CLASSES):
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Linear(8, classes)

    def scores(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x).mean((2, 3))) * 4.0

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x)


class OneLogit(Classifier):
    """Returns [N], and a number without axes for one image."""

    def __init__(self):
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).squeeze()


class OneProbability(Classifier):
    """Returns [N, 1, 1, 1]."""

    def __init__(self):
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.scores(x)[:, :, None, None])


class ClassesLast(Classifier):
    """Returns [N, 1, 1, CLASSES]."""

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x)[:, None, None]


class WithBoxes(Classifier):
    """Returns boxes [N, 64, 4] and class scores; the modules of the boxes run last."""

    def __init__(self):
        super().__init__()
        self.boxes = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor):
        maps = self.trunk(x)
        scores = self.head(maps.mean((2, 3))) * 4.0
        return self.boxes(maps).flatten(2).transpose(1, 2), scores


class WithBoxesByName(WithBoxes):
    """The same as a dict, with the number of the class beside the scores."""

    def forward(self, x: Tensor):
        boxes, scores = super().forward(x)
        return {"boxes": boxes, "class": scores.argmax(1), "scores": scores}


class FailsBeside(Classifier):
    """A second output fails on an image with values above 100; nothing else depends on it."""

    def forward(self, x: Tensor):
        return {"scores": self.scores(x), "place": torch.ones(3).gather(0, (x.amax() > 100).long().reshape(1) * 5)}


class WithOthers(Classifier):
    """Returns values beside the scores that are no tensors."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Optional[Tensor], int]:
        return self.scores(x), None, 7


class NormOfBatch(Classifier):
    """Normalises by the batch at hand in any mode."""

    def __init__(self):
        super().__init__()
        self.trunk.conv2 = nn.Sequential(self.trunk.conv2, nn.BatchNorm2d(8, track_running_stats=False))


class NormInTraining(Classifier):
    """Batch normalization, for a trace in training mode."""

    def __init__(self):
        super().__init__()
        self.trunk.conv2 = nn.Sequential(self.trunk.conv2, nn.BatchNorm2d(8))


class DropoutInTraining(Classifier):
    """Dropout, for a trace in training mode."""

    def __init__(self):
        super().__init__()
        self.trunk.conv2 = nn.Sequential(self.trunk.conv2, nn.Dropout(0.5))


class TakesChannelsLast(Classifier):
    """Takes [N, 32, 32, 3]."""

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x.permute(0, 3, 1, 2))


class Embedding(Classifier):
    """Returns [N, CLASSES] of length 1."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.scores(x))


MAPS, LAST = "nchw", "nhwc"
# File stem -> the network, how it becomes TorchScript, and the layers that are explained: the default one first.
NETWORKS = {
    "vit": (ViT, "trace", {"blocks.1.norm1": "tokens=1+4x4", "norm": "tokens=1+4x4", "blocks.0": "tokens=1+4x4"}),
    "vit_scripted": (ViT, "script", {"blocks.1.norm1": "tokens=1+4x4"}),
    "vit_two_first": (lambda: ViT(before=2), "trace", {"blocks.1": "tokens=2+4x4"}),
    "swin": (Swin, "trace", {"norm": LAST, "stage2": LAST, "stage1": LAST}),
    "swin_scripted": (Swin, "script", {"norm": LAST}),
    "one_logit": (OneLogit, "trace", {"trunk": MAPS}),
    "one_probability": (OneProbability, "trace", {"trunk": MAPS}),
    "classes_last": (ClassesLast, "trace", {"trunk": MAPS}),
    "with_boxes": (WithBoxes, "trace", {"trunk": MAPS}),
    "with_boxes_by_name": (WithBoxesByName, "trace", {"trunk": MAPS}),
    "norm_of_batch": (NormOfBatch, "trace", {"trunk": MAPS}),
    "norm_in_training": (NormInTraining, "trace in training", {"trunk": MAPS}),
    "norm_in_training_scripted": (NormInTraining, "script in training", {"trunk": MAPS}),
    "dropout_in_training": (DropoutInTraining, "trace in training", {}),
    "dropout_in_training_scripted": (DropoutInTraining, "script in training", {"trunk": MAPS}),
    "embedding": (Embedding, "trace", {}),
    "takes_channels_last": (TakesChannelsLast, "trace channels last", {}),
    "fails_beside": (FailsBeside, "trace", {}),
    "with_others": (WithOthers, "script", {}),
}
# A value's two sides: what the network itself applies, and the score of the columns.
ONE_VALUE = {"one_logit": "sigmoid", "one_probability": "logit"}


def main(save):
    """Writes models, maps and index; `save` writes one TorchScript module to a file."""
    torch.set_num_threads(1)
    image = made_image()
    maps, cases = [], []
    for seed, (stem, (network, form, layers)) in enumerate(NETWORKS.items()):
        torch.manual_seed(200 + seed)
        model = network()
        model.train(form.endswith("in training"))
        example = torch.zeros((2, SIDE, SIDE, 3) if form.endswith("channels last") else (2, 3, SIDE, SIDE))
        traced = form.startswith("trace")
        save(torch.jit.trace(model, example, check_trace=False, strict=False) if traced else torch.jit.script(model),
             HERE / "forms" / f"{stem}.pt")
        # A trace keeps the mode in which it was made; a script asks for it.
        model.train(traced and form.endswith("in training"))
        for layer, grid in layers.items():
            cases += explained(stem, model, image, (layer, grid), maps)
    np.save(HERE / "forms" / "image.npy", image)
    np.save(HERE / "forms" / "maps.npy", np.stack(maps).astype(np.float32))
    rows = ",\n".join(" " + json.dumps(case) for case in cases)
    (HERE / "forms.json").write_text(f"[\n{rows}\n]\n")


def made_image():
    """Coarse squares and fine noise, exact in f32."""
    draw = np.random.default_rng(7)
    coarse = draw.integers(-128, 128, (3, 8, 8)).repeat(4, 1).repeat(4, 2) / 64
    return (coarse + draw.integers(-128, 128, (3, SIDE, SIDE)) / 512).astype(np.float32)


def explained(stem, model, image, tap, maps):
    """The rows of one layer: Score-CAM and Grad-CAM of the class with the highest score."""
    layer, grid = tap
    tensor, scores = tapped(model, layer, image)
    target = int(scores[0].argmax())
    (gradient,) = torch.autograd.grad(scores[0, target], tensor)
    activations, slopes = read(tensor, grid), read(gradient, grid)

    def forward(batch):
        with torch.no_grad():
            return columns(model(torch.from_numpy(batch))).numpy()

    options = reference.options("official", [f"score={ONE_VALUE[stem]}"] if stem in ONE_VALUE else [])
    found = {"score-cam": reference.explain(reference.Study(activations, image, forward, target), options)}
    # Behind the last attention only the class token makes the scores.
    if slopes.any():
        found["grad-cam"] = grad_cam.explain(activations, slopes, image.shape[1:], grad_cam.Options())
    rows = []
    for method, saliency in found.items():
        if saliency.max() == 0:
            raise ValueError(f"{method} of {stem} {layer} is zero everywhere; choose another seed")
        case = {"model": stem, "layer": layer, "grid": grid, "shape": list(tensor.shape[1:]), "method": method}
        rows.append({**case, "class": target, "score": float(scores[0, target].detach()), "map": len(maps)})
        maps.append(saliency)
    return rows


def tapped(model, layer, image):
    """A layer's tensor and the class scores that are made of it."""
    kept = []
    hook = model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    scores = columns(model(torch.from_numpy(image[None])))
    hook.remove()
    return kept[0], scores


def columns(output):
    """Class scores [N, classes] of whatever a network returns."""
    if isinstance(output, dict):
        output = output["scores"]
    if isinstance(output, tuple):
        output = output[1]
    if output.numel() > max(1, output.shape[0] if output.dim() else 1):
        return output.reshape(output.shape[0], -1)
    value = output.reshape(-1, 1)
    against = 1 - value if output.dim() == 4 else -value
    return torch.cat([against, value], 1)


def read(tensor, grid):
    """The maps [K, h, w] of the one image in a tensor."""
    values = tensor.detach().numpy()[0].astype(np.float64)
    if grid == MAPS:
        return values
    if grid == LAST:
        return values.transpose(2, 0, 1)
    before, side = grid.removeprefix("tokens=").split("+")
    height, width = map(int, side.split("x"))
    return values[int(before) :].T.reshape(-1, height, width)


if __name__ == "__main__":
    from make import save

    main(save)
