"""Makes TorchScript detectors with several outputs, and their golden values: `python make_torch_detectors.py`, after `make.py`.

Needs what `make_torch.py` needs, and shares its parts. Each model returns its boxes and scores in another way: a tuple, a
list, a dict in a tuple, and two as torchvision's detectors do, where the number of rows depends on the image. Writes
`torch/ssd_tuple.pt` and so on, `torch/detectors.npy` and `torch_detectors.json`. Score-CAM is `../reference.py`, on passes of
the eager modules at double precision; Grad-CAM is `../grad_cam.py` on autograd's gradients.
"""

import copy
from typing import Dict, List

import numpy as np
import torch
from torch import Tensor, nn

import make_torch as base
import readers
from make_torch import CLASSES, HERE, SIZE, TOLERANCE, Detr, Model
from readers import Output
from store import Values, manifest, write_index

import grad_cam  # noqa: E402  (`make_torch` has extended the path)
import reference  # noqa: E402

NOISE = 1e-5


class Cells(nn.Module):
    """A box in relative corners and raw scores for each of 64 cells: [N, 64, 4] and [N, 64, columns]."""

    def __init__(self, columns):
        super().__init__()
        self.raw = nn.Conv2d(12, 4 + columns, 1)
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("cells", torch.stack([x, y], 2).reshape(1, 64, 2))

    def read(self, x: Tensor):
        raw = self.raw(x).flatten(2).transpose(1, 2)
        center = (torch.sigmoid(raw[:, :, :2]) + self.cells) / 8
        size = torch.sigmoid(raw[:, :, 2:4]) * 0.3 + 0.2
        return torch.cat([center - size / 2, center + size / 2], 2), raw[:, :, 4:]


class SsdTuple(Cells):
    """A tuple of boxes and class probabilities, column 0 being the background."""

    def __init__(self):
        super().__init__(1 + CLASSES)
        self.register_buffer("background", torch.tensor([2.0] + [0.0] * CLASSES))

    def forward(self, x: Tensor):
        corners, raw = self.read(x)
        return corners, torch.softmax(raw + self.background, 2)


class DetrList(Detr):
    """A list of boxes and logits."""

    def forward(self, x):
        found = super().forward(x)
        return [found["pred_boxes"], found["logits"]]


class DetrNested(Detr):
    """A tuple of the mean query, which nobody reads, and a dict."""

    def forward(self, x):
        found = super().forward(x)
        return found["logits"].mean(1), {"boxes": found["pred_boxes"], "logits": found["logits"]}


class Kept(Cells):
    """Boxes [n, 4] in pixels, scores [n] and labels [n] of the cells of all images whose score is above 0.8: a dict."""

    def __init__(self):
        super().__init__(CLASSES)

    def rows(self, x: Tensor) -> Dict[str, Tensor]:
        corners, raw = self.read(x)
        scores, labels = torch.sigmoid(raw).max(2)
        kept = scores > 0.8
        return {"boxes": corners[kept] * 32.0, "labels": labels[kept], "scores": scores[kept]}

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        return self.rows(x)


class KeptOfEach(Kept):
    """The same as a list of a dict for each image."""

    def forward(self, x: Tensor) -> List[Dict[str, Tensor]]:
        found: List[Dict[str, Tensor]] = []
        for i in range(x.shape[0]):
            found.append(self.rows(x[i : i + 1]))
        return found


def flat(value, name=""):
    """All tensors by name, with a dot between where one lies in another."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [flat(item, f"{name}.{key}" if name else str(key)) for key, item in items]
    return {key: tensor for part in inner for key, tensor in part.items()}


# ---- the detectors' outputs, in torch's functions ----


def corners_of(output, tensor, batched=True):
    rows = tensor[0] if batched else tensor
    if output.format == "detr":
        rows = base.torchvision.ops.box_convert(rows, "cxcywh", "xyxy")
    return rows if output.format == "boxes-scores" else rows * 32


def reader(output):
    def read(raw):
        boxes, scores = raw[output.boxes], raw[output.class_scores]
        if output.format == "boxes-scores":
            classes = nn.functional.one_hot(raw[output.labels], readers.LABELS).to(scores.dtype)
            return corners_of(output, boxes, False), scores, classes
        corners, ones = corners_of(output, boxes), torch.ones(boxes.shape[1], dtype=boxes.dtype)
        return corners, ones, scores[0, :, 1:] if output.format == "ssd" else torch.softmax(scores[0], 1)[:, :-1]

    return read


def detections(**keys):
    return Output(kind="detections", **keys)


# The head, its seed and [output], how it becomes TorchScript, and the candidate that Grad-CAM explains.
MODELS = {
    "ssd_tuple": (SsdTuple, 21, detections(format="ssd", boxes="0", class_scores="1"), "trace"),
    "detr_list": (DetrList, 8, detections(format="detr", boxes="0", class_scores="1"), "trace"),
    "detr_nested": (DetrNested, 52, detections(format="detr", boxes="1.boxes", class_scores="1.logits"), "trace"),
    "kept": (Kept, 3, detections(format="boxes-scores", boxes="boxes", class_scores="scores", labels="labels"), "trace"),
    "kept_of_each": (
        KeptOfEach, 8,
        detections(format="boxes-scores", boxes="0.boxes", class_scores="0.scores", labels="0.labels"), "script",
    ),
}
# What says nothing that the names do not say: the plugin is to find it out.
GUESSED = ("kept", "kept_of_each", "detr_nested")


def main():
    torch.set_num_threads(1)
    save = base.beside("torch/make.py").save
    values, rows, lists = Values(HERE / "torch/detectors.npy"), [], []
    image = np.load(HERE / "models/input.npy")
    for name, (head, seed, output, form) in MODELS.items():
        model = Model(head()).eval()
        base.fill(model, seed)
        example = torch.zeros(2, 3, *SIZE)
        traced = form == "trace"
        save(
            torch.jit.trace(model, example, check_trace=False, strict=False) if traced else torch.jit.script(model),
            HERE / f"torch/{name}.pt",
        )
        study = Detector(copy.deepcopy(model).double(), output, image)
        said = Output(kind="detections") if name in GUESSED else output
        common = {"model": f"torch/{name}.pt", "manifest": manifest(said), "layer": "features", "input": "models/input.npy"}
        listed = readers.detections(study.found, output)
        print(name, len(study.found.scores), "candidates", len(listed), "detections")
        assert 2 <= len(listed) <= 9, f"{name} has {len(listed)} detections"
        near = np.abs(study.found.scores - output.score_threshold).min()
        assert near > 1e-3, f"{name} is close to the threshold: {near}"
        lists.append({"name": f"{name} detections", **common, "detections": listed})
        best = readers.kept(study.found, output)[0]
        words = [f"box:{i}" for i in range(len(listed))] + [f"candidate:{best}"]
        rows += [{"name": f"{name} {w}", **common, "target": w, **study.explained(w, values)} for w in words]
    values.save()
    write_index({"cases": rows, "detections": lists}, HERE / "torch_detectors.json")


class Detector:
    """A model at double precision, and what it gives for the input."""

    def __init__(self, model, output, image):
        self.model, self.output, self.image = model, output, torch.from_numpy(image).double()
        self.own = self.arrays(self.image)
        self.found = readers.candidates(self.own, output, SIZE)

    def arrays(self, image):
        with torch.no_grad():
            return {name: tensor.numpy() for name, tensor in flat(self.model(image)).items()}

    def explained(self, words, values):
        """Value, Score-CAM and, of a candidate, the gradient and Grad-CAM."""
        value = readers.target(words, self.output, self.own, SIZE)
        row = {"value": float(value(self.own)), "maps": [self.score_cam(words, value, values)]}
        if words.startswith("candidate"):
            row |= self.grad_cam(words, value, values)
        return row

    def score_cam(self, words, value, values):
        random = np.random.default_rng(4)
        features = self.model.features(self.image * 3)[0].detach().numpy()

        def map_of(noise, o):
            def forward(batch):
                batch = batch + noise * random.uniform(-1, 1, batch.shape)
                return np.array([[value(self.arrays(torch.from_numpy(batch.astype(np.float32)).double()))]])

            study = reference.Study(features, self.image[0].numpy().astype(np.float32), forward, 0, "softmax")
            return reference.explain(study, o)

        o = reference.options("official")
        clean, noisy = map_of(0.0, o), map_of(NOISE, o)
        assert np.ptp(clean) > 0, f"{words}: the map is constant and would test nothing"
        error = np.abs(clean - noisy).max()
        assert error < TOLERANCE / 4, f"{words}: the map hangs on the last bits of the image ({error:.1e})"
        return {"method": "score-cam", "preset": "official", "set": [], **values.add(clean, 2), "tolerance": TOLERANCE}

    def grad_cam(self, words, value, values):
        activations = self.model.features(self.image * 3)
        raw = flat(self.model.head(activations))
        read = reader(self.output)
        index = int(words.split(":")[1])
        label = int(read(raw)[2][index].argmax())
        number = base.candidate(read, index, label)(raw, raw)
        assert abs(number.item() - value(self.own)) < 1e-9, (words, number.item(), value(self.own))
        (gradient,) = torch.autograd.grad(number, activations)
        features, slopes = activations[0].detach().numpy(), gradient[0].numpy()
        for settings in ([], ["post_relu=false"]):
            saliency = grad_cam.explain(features, slopes, SIZE, grad_cam.Options(post_relu=not settings))
            if (saliency > 0.05).mean() > 0.1:
                break
        assert np.ptp(saliency) > 0, f"{words}: the map is constant and would test nothing"
        return {
            "gradient": values.add(slopes),
            "map": {
                "method": "grad-cam", "preset": "official", "set": settings, **values.add(saliency, 2), "tolerance": TOLERANCE,
            },
        }


if __name__ == "__main__":
    main()
