"""Makes the TorchScript models and their golden values for Grad-CAM: `python make_torch.py`, after `make.py`.

Needs torch 2.13.0, torchvision 0.28.0 and numpy. Writes `torch/*.pt`, `torch/values.npy` and `torch.json`. Each target is
written out here a second time, in torch's and torchvision's own functions, and must have the value and the slopes that
`readers.py` has. Gradients at `features` are autograd's, at double precision; maps are `../grad_cam.py`, preset `official`.
"""

import copy
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "torch")]
import grad_cam  # noqa: E402
import readers  # noqa: E402
from readers import Output  # noqa: E402
from store import SIDE, Values, files_of, manifest, write_index  # noqa: E402

SIZE, CLASSES, TOLERANCE = (SIDE, SIDE), 4, 1e-4
BLOCKS = np.asarray(Image.open(HERE / "models/blocks.png"))


class Model(nn.Module):
    """A backbone, whose `features` are [N, 12, 8, 8], and a head."""

    def __init__(self, head):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = head

    def forward(self, x):
        return self.head(self.features(x * 3))


class Pixels(nn.Module):
    """Scores [N, 4, 16, 16]."""

    def __init__(self):
        super().__init__()
        self.score = nn.Conv2d(12, CLASSES, 1)

    def forward(self, x):
        return functional.interpolate(self.score(x), scale_factor=2.0, mode="bilinear")


class Yolo5(nn.Module):
    """[N, 64, 5 + 4]."""

    def __init__(self):
        super().__init__()
        self.raw = nn.Conv2d(12, 5 + CLASSES, 1)
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("cells", torch.stack([x, y])[None])

    def forward(self, x):
        raw = torch.sigmoid(self.raw(x))
        center, size = (raw[:, :2] + self.cells) * 4, (raw[:, 2:4] + 0.5) * 12
        return torch.cat([center, size, raw[:, 4:]], 1).flatten(2).transpose(1, 2)


class Detr(nn.Module):
    """Ten queries that attend to the cells; a dict of logits [N, 10, 5] and pred_boxes [N, 10, 4]."""

    def __init__(self):
        super().__init__()
        self.queries, self.places = nn.Parameter(torch.zeros(10, 12)), nn.Parameter(torch.zeros(64, 12))
        self.score, self.box = nn.Linear(12, CLASSES + 1), nn.Linear(12, 4)

    def forward(self, x):
        cells = x.flatten(2).transpose(1, 2) + self.places
        attention = torch.softmax(self.queries @ cells.transpose(1, 2), 2)
        query = torch.tanh(attention @ cells + self.queries)
        return {"logits": self.score(query), "pred_boxes": torch.sigmoid(self.box(query)) * 0.5 + 0.2}


def pooled(length):
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, length))


# ---- the targets, again ----


def similarity(output, box, vector):
    """D-RISE in torch's functions; `output` is (boxes, objectness, class probabilities)."""
    corners, objectness, probabilities = output
    products = torchvision.ops.box_iou(box[None], corners)[0] * objectness
    if vector is not None:
        products = products * functional.cosine_similarity(vector[None], probabilities)
    return products.max()


def read_yolov5(raw):
    rows = raw["0"][0]
    return torchvision.ops.box_convert(rows[:, :4], "cxcywh", "xyxy"), rows[:, 4], rows[:, 5:]


def read_detr(raw):
    corners = torchvision.ops.box_convert(raw["pred_boxes"][0], "cxcywh", "xyxy") * SIDE
    probabilities = torch.softmax(raw["logits"][0], 1)[:, :-1]
    return corners, torch.ones(len(corners), dtype=corners.dtype), probabilities


def detection(read, index):
    """Similarity to a detection by torchvision's NMS."""

    def of(raw, own):
        corners, objectness, probabilities = read(own)
        best, labels = probabilities.max(1)
        above = torch.nonzero(best * objectness > 0.25)[:, 0]
        kept = torchvision.ops.batched_nms(corners[above], (best * objectness)[above], labels[above], 0.45)
        j = above[kept[index]]
        return similarity(read(raw), corners[j], probabilities[j])

    return of


def place(read, box, label=None):
    vector = None if label is None else functional.one_hot(torch.tensor(label), CLASSES).double()
    return lambda raw, own: similarity(read(raw), torch.tensor(box).double(), vector)


def candidate(read, j, label):
    def of(raw, own):
        _, objectness, probabilities = read(raw)
        return objectness[j] * probabilities[j, label]

    return of


def like(raw, own):
    return functional.cosine_similarity(raw["0"][0], raw["reference"][0], 0)


def region(label):
    """The pixel that holds the center of a cell of 2 x 2."""
    inside = torch.from_numpy(BLOCKS[1::2, 1::2] > 127)
    return lambda raw, own: raw["0"][0, label][inside].mean()


def predicted(label):
    return lambda raw, own: raw["0"][0, label][own["0"][0].argmax(0) == label].mean()


# The head, its seed and [output], and the targets with what each is in torch.
MODELS = {
    "classes": (lambda: pooled(7), 1, Output(), {
        "class:3": lambda raw, own: raw["0"][0, 3],
        "not:3": lambda raw, own: -raw["0"][0, 3],
        "contrast:3-0,1": lambda raw, own: raw["0"][0, 3] - raw["0"][0, :2].mean(),
        "contrast:3-5*0.6": lambda raw, own: raw["0"][0, 3] - 0.6 * raw["0"][0, 5],
        "mean:3+5+6": lambda raw, own: raw["0"][0, [3, 5, 6]].mean(),
    }),
    "embedding": (lambda: pooled(16), 2, Output(kind="embedding"), {"like:models/reference.npy": like}),
    "segments": (Pixels, 17, Output(kind="segments"), {
        "region:models/blocks.png:1": region(1),
        "region:predicted:1": predicted(1),
        "region:predicted:2": predicted(2),
    }),
    "yolov5": (Yolo5, 64, Output(kind="detections", format="yolov5"), {
        "box:0": detection(read_yolov5, 0),
        "box:1": detection(read_yolov5, 1),
        "box:12,6,26,18:1": place(read_yolov5, [12, 6, 26, 18], 1),
        "box:12,6,26,18": place(read_yolov5, [12, 6, 26, 18]),
        "candidate:21:2": candidate(read_yolov5, 21, 2),
    }),
    "detr": (Detr, 5, Output(kind="detections", format="detr", boxes="pred_boxes", class_scores="logits"), {
        "box:12,6,26,18:1": place(read_detr, [12, 6, 26, 18], 1),
        "box:12,6,26,18": place(read_detr, [12, 6, 26, 18]),
        "candidate:3:2": candidate(read_detr, 3, 2),
    }),
}


def main():
    torch.set_num_threads(1)
    save = beside("torch/make.py").save
    (HERE / "torch").mkdir(exist_ok=True)
    values, rows = Values(HERE / "torch/values.npy"), []
    image, other = (torch.from_numpy(np.load(HERE / f"models/{n}.npy")) for n in ("input", "reference"))
    for name, (head, seed, output, targets) in MODELS.items():
        model = Model(head()).eval()
        fill(model, seed)
        save(torch.jit.trace(model, torch.zeros(2, 3, *SIZE), check_trace=False, strict=False), HERE / f"torch/{name}.pt")
        precise = copy.deepcopy(model).double()
        for words, in_torch in targets.items():
            row = {"name": f"{name} {words}", "model": f"torch/{name}.pt", "manifest": manifest(output)}
            row |= {"layer": "features", "input": "models/input.npy", "target": words, "settings": files_of(words)}
            rows.append(row | explained(precise, output, words, in_torch, (image.double(), other.double()), values))
    values.save()
    write_index({"cases": rows}, HERE / "torch.json")


def beside(file):
    """A module of the folder above, by its file."""
    spec = importlib.util.spec_from_file_location("beside", HERE.parent / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fill(model, seed):
    """Random weights. Behind the features their mean over the channels is 0, so that cells differ."""
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=draw)
        if name.startswith("head") and parameter.dim() == 4:
            values -= values.mean(1, keepdim=True)
        scale = 1.6 / parameter[0].numel() ** 0.5 if parameter.dim() == 4 else 0.6
        parameter.data = values * (0.3 if parameter.dim() == 1 else scale)


def named(output):
    """Outputs by name; the one of a model without names is "0"."""
    return output if isinstance(output, dict) else {"0": output}


def explained(model, output, words, in_torch, images, values):
    """Value, gradient and Grad-CAM of a target."""
    image, other = images
    activations = model.features(image * 3)
    raw = named(model.head(activations))
    own = {name: tensor.detach() for name, tensor in raw.items()}
    reference = {name: tensor.detach() for name, tensor in named(model(other)).items()}
    value = in_torch({**raw, "reference": reference.get("0")}, own)
    (gradient,) = torch.autograd.grad(value, activations, retain_graph=True)
    check(words, output, value, raw, reference)
    features, slopes = activations[0].detach().numpy(), gradient[0].numpy()
    for settings in ([], ["post_relu=false"]):
        o = grad_cam.Options(post_relu=not settings)
        saliency = grad_cam.explain(features, slopes, SIZE, o)
        if (saliency > 0.05).mean() > 0.1:
            break
    if np.ptp(saliency) == 0:
        raise ValueError(f"the map of {words} is constant and would test nothing")
    return {
        "value": float(value.detach()), "gradient": values.add(slopes),
        "map": {
            "method": "grad-cam", "preset": "official", "set": settings, **values.add(saliency, 2), "tolerance": TOLERANCE,
        },
    }


def check(words, output, value, raw, reference):
    """`readers.py` and torch agree on a value and on its slopes in the raw outputs."""
    arrays = {name: tensor.detach().numpy() for name, tensor in raw.items()}
    others = {name: tensor.numpy() for name, tensor in reference.items()}
    ours = readers.target(words, output, arrays, SIZE, others, BLOCKS)
    assert abs(ours(arrays) - value.item()) < 1e-9, (words, ours(arrays), value.item())
    slopes = torch.autograd.grad(value, list(raw.values()), retain_graph=True, allow_unused=True)
    for (name, found), slope in zip(readers.cotangents(ours, arrays, list(raw)).items(), slopes):
        expected = np.zeros(found.shape) if slope is None else slope.numpy()
        error = np.abs(found - expected).max()
        assert error < 1e-5 * max(1.0, np.abs(expected).max()), (words, name, error)


if __name__ == "__main__":
    main()
