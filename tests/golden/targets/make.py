"""Makes the models, inputs, values, cotangents and maps: `python make.py`. Needs numpy, onnx, onnxruntime, pillow.

Writes `models/`, `cases.json`, `maps.npy` and `cotangents.npy`; the README beside this file says what a row holds. All scores
come from ONNX Runtime, one image at a time; what they mean is in `readers.py`, and Score-CAM is `../reference.py`, to which a
target is the one score of a model that gives a number of its own. A second run writes the same bytes.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "forms"), str(HERE.parent)]
import models  # noqa: E402
import readers  # noqa: E402
import reference  # noqa: E402
from net import SIDE, Runner  # noqa: E402
from readers import Output  # noqa: E402
from store import Values, files_of, manifest, picture, write_index  # noqa: E402

SIZE = (SIDE, SIDE)
PRESETS = ["official", "paper", "torchcam"]  # they differ in baseline, weight_norm and masks
TOLERANCE = 1e-4
NOISE = 2e-7  # of what an engine that works in f32 may make of a masked image

# A model, its seed, its [output] and its targets.
PLAIN = [
    ("classes", 50, Output(), [
        "class:3", "not:3", "contrast:3-5", "contrast:3-0,1,4", "contrast:3-0*0.6", "contrast:6-0,1*0.5", "sum:3+5+6",
        "mean:3+5+6",
    ]),
    ("age", 50, Output(kind="value"), ["value", "value:down"]),
    ("embedding", 50, Output(kind="embedding"), ["like:models/reference.npy"]),
    ("unit", 50, Output(kind="embedding"), ["like:models/reference.npy"]),
    ("segments", 57, Output(kind="segments"), [
        "region:models/blocks.png:2", "region:models/blocks.png", "region:models/fine.png:1", "region:predicted",
        "region:predicted:0", "region:predicted:2",
    ]),
    ("mask", 50, Output(kind="segments"), ["region:models/blocks.png", "region:predicted"]),
    ("odd_mask", 50, Output(kind="segments"), ["region:models/fine_odd.png", "region:predicted"]),
]
DETECTORS = [
    ("yolov5", 52, {}),
    ("yolov5_logits", 52, {"activated": False}),
    ("yolov8", 52, {}),
    ("end_to_end", 59, {"format": "end-to-end"}),
    ("end_to_end_relative", 59, {"format": "end-to-end", "box_form": "xywh", "box_scale": "relative"}),
    ("ssd", 52, {"boxes": "boxes", "class_scores": "scores"}),
    ("ssd_centers", 52, {
        "format": "ssd", "boxes": "boxes", "class_scores": "scores", "activated": False, "box_form": "cxcywh",
        "box_scale": "pixels",
    }),
    ("detr", 52, {"boxes": "pred_boxes", "class_scores": "logits"}),
    ("fastestdet", 60, {}),
    ("boxes_scores", 52, {"format": "boxes-scores", "boxes": "boxes", "class_scores": "scores", "labels": "labels"}),
]


def main():
    (HERE / "models").mkdir(exist_ok=True)
    write_pictures()
    cases = Cases()
    for name, seed, output, targets in PLAIN:
        model = Model(name, seed, output)
        for words in targets:
            cases.add(model, words)
    for name, seed, keys in DETECTORS:
        form = keys.get("format", name.split("_")[0])
        model = Model(name, seed, Output(kind="detections", **{**keys, "format": form}))
        found = cases.add_detections(model)
        for words in detector_targets(model.output, found):
            cases.add(model, words)
    cases.save()


def write_pictures():
    """The input, another image of the same size, and the masks of regions."""
    np.save(HERE / "models/input.npy", picture(1)[None])
    np.save(HERE / "models/reference.npy", picture(2)[None])
    y, x = np.mgrid[:SIDE, :SIDE]
    random = np.random.default_rng(3)
    # In `blocks` a cell of 2 x 2 pixels has one value, so no rule for a center between pixels matters. In `fine_odd` the two
    # middle rows and columns are equal: on a grid of odd length one center lies between them.
    coarse = random.choice([0, 40, 127, 128, 200, 255], (16, 16))
    coarse[(y[::2, ::2] - 14) ** 2 + (x[::2, ::2] - 18) ** 2 > 90] = 0
    fine = random.choice([0, 127, 128, 255], SIZE)
    odd = random.choice([0, 127, 128, 255], SIZE)
    odd[16], odd[:, 16] = odd[15], odd[:, 15]
    for name, gray in [("blocks", coarse.repeat(2, 0).repeat(2, 1)), ("fine", fine), ("fine_odd", odd)]:
        Image.fromarray(gray.astype(np.uint8)).save(HERE / f"models/{name}.png")


def detector_targets(output, found):
    """Targets whose numbers fit what the model finds: a box beside the second detection, and that one's candidate."""
    chosen = readers.kept(found, output)
    j, label = chosen[1], int(found.classes[chosen[1]])
    beside = np.clip(np.round(found.boxes[j] * 2) / 2 + [-1.5, 1, 2, 2.5], 0, SIDE)
    place = ",".join(f"{v:g}" for v in beside)
    targets = ["box:0", "box:1", f"box:{place}:{label}", f"box:{place}", f"candidate:{j}"]
    # A detector that names one class for each box gives the others nothing.
    second = int(np.argsort(-found.probabilities[j], kind="stable")[1])
    other = label if found.probabilities.shape[1] == readers.LABELS else second
    return [*targets, f"candidate:{j}:{other}"]


class Model:
    """A model with the manifest's [output], and what it gives for the input and for the reference image."""

    def __init__(self, name, seed, output):
        self.name, self.output = name, output
        model = getattr(models, name)(seed).model()
        onnx.save(model, HERE / f"models/{name}.onnx")
        self.outputs = [o.name for o in model.graph.output]
        self.runner = Runner(model, ["features"])
        self.image, self.other = (np.load(HERE / f"models/{n}.npy")[0] for n in ("input", "reference"))
        self.features = self.runner.run(["features"], {"input": self.image[None]})[0][0]
        self.own, self.of_other = self.raw(self.image), self.raw(self.other)

    def raw(self, image):
        """The raw outputs of an image [3, H, W], by name."""
        return dict(zip(self.outputs, self.runner.run(self.outputs, {"input": image[None].astype(np.float32)})))

    def read_outputs(self):
        """The outputs of numbers that a value has a slope in."""
        return [name for name in self.outputs if name != self.output.labels]

    def explain(self, words, value, o, noise=0.0):
        """Score-CAM of a target; `noise` disturbs every masked image.

        Of `class:N` a preset takes the softmax. Any other value is taken as it is: the study says that the model has applied
        what a preset would apply.
        """
        random = np.random.default_rng(4)
        word, _, label = words.partition(":")

        def forward(batch):
            raw = self.raw(batch[0] + noise * random.uniform(-1, 1, batch[0].shape))
            return raw[self.outputs[0]] if word == "class" else np.array([[value(raw)]])

        target, ending = (int(label), "logits") if word == "class" else (0, "softmax")
        return reference.explain(reference.Study(self.features, self.image, forward, target, ending), o)


class Cases:
    """The rows and the numbers that they point to."""

    def __init__(self):
        self.rows, self.lists, self.maps, self.cotangents = [], [], Values(HERE / "maps.npy"), Values(HERE / "cotangents.npy")

    def add_detections(self, model):
        """The row of a detector's list; returns its candidates."""
        found = readers.candidates(model.own, model.output, SIZE)
        check_detections(model, found)
        self.lists.append({
            "name": f"{model.name} detections", "model": f"models/{model.name}.onnx", "manifest": manifest(model.output),
            "input": "models/input.npy", "candidates": len(found.scores),
            "detections": readers.detections(found, model.output),
        })
        return found

    def add(self, model, words):
        """The row of one target."""
        settings = files_of(words)
        mask = np.asarray(Image.open(HERE / settings["mask"])) if "mask" in settings else None
        value = readers.target(words, model.output, model.own, SIZE, model.of_other, mask)
        row = {
            "name": f"{model.name} {words}", "model": f"models/{model.name}.onnx", "manifest": manifest(model.output),
            "layer": "features", "input": "models/input.npy", "target": words, "settings": settings,
            "value": float(value(model.own)), "value_of_reference": float(value(model.of_other)),
        }
        slopes = readers.cotangents(value, model.own, model.read_outputs())
        row["cotangents"] = {name: self.cotangents.add(array) for name, array in slopes.items()}
        row["maps"] = [self.explained(row["name"], model, words, value, preset) for preset in PRESETS]
        self.rows.append(row)

    def explained(self, name, model, words, value, preset):
        """One map. Weights that are all below 0 leave nothing above 0; then what lies below is compared."""
        for settings in ([], ["post_relu=false"]):
            o = reference.options(preset, settings)
            maps = [model.explain(words, value, o, noise) for noise in (0.0, NOISE)]
            if (maps[0] > 0.05).mean() > 0.1:
                break
        if np.ptp(maps[0]) == 0:
            raise ValueError(f"{name}, {preset}: the map is constant and would test nothing")
        error = np.abs(maps[1] - maps[0]).max()
        if error > TOLERANCE / 4:
            raise ValueError(f"{name}, {preset}: the map hangs on the last bits of the image ({error:.1e})")
        stride = 2 if maps[0].shape == SIZE else 1
        return {
            "method": "score-cam", "preset": preset, "set": settings, **self.maps.add(maps[0], stride),
            "tolerance": TOLERANCE,
        }

    def save(self):
        self.maps.save()
        self.cotangents.save()
        write_index({"cases": self.rows, "detections": self.lists}, HERE / "cases.json")


def check_detections(model, found):
    """A list that says something, and that no rounding changes."""
    output, chosen = model.output, readers.kept(found, model.output)
    above = np.flatnonzero(found.scores > output.score_threshold)
    assert len(chosen) >= 4 and len(set(found.classes[chosen])) > 1, f"{model.name} finds too little"
    assert output.format in readers.ONCE or len(chosen) < len(above), f"{model.name} suppresses nothing"
    assert len(above) < len(found.scores), f"{model.name}: all candidates are above the threshold"
    near = [np.abs(found.scores - output.score_threshold).min(), -np.diff(found.scores[chosen]).max()]
    if output.format not in readers.ONCE:
        near += [np.abs(readers.iou(found.boxes[j], found.boxes[above]) - output.iou_threshold).min() for j in above]
    assert min(near) > 1e-4, f"{model.name} is close to a threshold: {min(near)}"


if __name__ == "__main__":
    main()
