"""The table of cases: each row is a model that is opened, and what must come of it.

A golden map is preset `official` of `../reference.py` on maps [K, h, w] that are read here, from the tensor that the row
names, by what the row says of it. All scores come from ONNX Runtime's own outputs, of one image at a time.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx

from net import SIDE, Net, Runner

HERE = Path(__file__).parent


def beside(name):
    """A module of the folder above; that folder on the path would hide packages that are called as its folders are."""
    spec = importlib.util.spec_from_file_location(name, HERE.parent / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


beside("splitmix")  # which reference reads
reference = beside("reference")
MODELS = HERE / "models"


def softmax(raw):
    powers = np.exp(raw - raw.max())
    return powers / powers.sum()


def sigmoid(raw):
    return 1 / (1 + np.exp(-raw))


def as_it_is(raw):
    return raw


def for_and_against(raw):
    """Class scores of a model that gives one logit."""
    return np.array([sigmoid(-raw[0]), sigmoid(raw[0])])


def probability(raw):
    """Class scores of a model that gives one probability."""
    return np.array([1 - raw[0], raw[0]])


def lower_and_higher(raw):
    """Class scores of a model that gives one number."""
    return np.array([-raw[0], raw[0]])


def maps_of(raw, grid):
    """The maps [K, h, w] of one image in the tensor [1, ...], which lies as the words `grid` say."""
    raw = np.asarray(raw, np.float64)[0]
    if grid in ("nchw", "nhwc"):
        return raw if grid == "nchw" else raw.transpose(2, 0, 1)
    before, height, width = map(int, re.match(r"tokens=(\d+)\+(\d+)x(\d+)", grid).groups())
    raw = raw if ":channels-first" in grid else raw.T
    cells = raw[:, before : before + height * width]
    if ":columns-first" in grid:
        return cells.reshape(-1, width, height).transpose(0, 2, 1)
    return cells.reshape(-1, height, width)


class Table:
    """The rows, the files of their models, and the values of their maps."""

    def __init__(self):
        MODELS.mkdir(exist_ok=True)
        for old in MODELS.iterdir():
            old.unlink()
        self.rows, self.values, self.written = [], [], set()
        self.image = picture((3, SIDE, SIDE), 1)
        np.save(MODELS / "x.npy", self.image)

    def save(self):
        """Writes the index, a row a line, and all maps in one file."""
        np.save(HERE / "maps.npy", np.concatenate(self.values))
        rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in self.rows)
        (HERE / "cases.json").write_text(f"[\n{rows}\n]\n")

    def other(self, file, shape):
        """Another image, written as `file`."""
        image = picture(shape, sum(shape))
        np.save(MODELS / file, image)
        return image

    def open(self, name, model, manifest=None):
        """Writes a model or a manifest, unless it is there; returns the file to open and the model."""
        model = model.model() if isinstance(model, Net) else model
        file = f"{name.split('@')[0]}.onnx"
        if file not in self.written:
            self.written.add(file)
            onnx.save(model, MODELS / file)
        if manifest is None:
            return file, model
        toml = f"{name.replace('@', '-')}.toml"
        (MODELS / toml).write_text(f'[model]\nfile = "{file}"\n{manifest}')
        return toml, model

    def refused(self, name, model, *texts, manifest=None, **request):
        """A model that is not explained; all of `texts` are in the error. `name` is FILE or FILE@WHAT."""
        file, _ = self.open(name, model, manifest)
        self.rows.append({"name": name, "open": file, **request, "refused": list(texts)})

    def explained(self, name, model, layer, grid="nchw", *, manifest=None, golden=None, **request):
        """A model that is explained; `golden` says how, where it is not the usual way (see `Golden`)."""
        file, model = self.open(name, model, manifest)
        golden = golden or Golden()
        row = {"name": name, "open": file, **request, "layer": layer, "grid": grid}
        row |= golden.of_row(model, layer, grid, self.image)
        if row.pop("unasked", False):
            row.pop("target")
        if row.get("random"):
            del row["class"], row["score"]
        if row.pop("map", None) is not None:
            row["offset"] = sum(map(len, self.values))
            self.values.append(golden.map.astype(np.float32)[::2, ::2].ravel())
        self.rows.append(row)


class Golden:
    """How a golden map is made."""

    def __init__(
        self, scores=softmax, target=None, image=None, feed=None, output=None, plain=None, read=None, tolerance=1e-4,
        shows=True, level="ORT_DISABLE_ALL",
    ):
        self.scores = scores  # class scores from the raw output of one image
        self.target = target  # the class; the one with the highest score where None
        self.image = image  # [C, H, W] in place of the common one
        self.feed = feed or (lambda image: {None: image[None]})  # the inputs; None stands for the first one
        self.output = output  # the name of the scores output; the first one where None
        self.plain = plain  # (model, tensor) to run in place of the model and the layer
        self.read = read or as_it_is  # the layer's numbers from the tensor
        self.tolerance, self.shows, self.level = tolerance, shows, level

    def of_row(self, model, layer, grid, image):
        model, tensor = self.plain or (model, layer)
        model = model.model() if isinstance(model, Net) else model
        image = image if self.image is None else self.image
        runner = Runner(model, [tensor], self.level)
        output = self.output or model.graph.output[0].name
        first = model.graph.input[0].name

        def run(names, image):
            feeds = {name or first: value for name, value in self.feed(image).items()}
            return runner.run(names, feeds)

        def scores(image):
            return self.scores(np.asarray(run([output], image)[0], np.float64).ravel())

        # One pass for both: some models change by their own passes.
        raw, inner = run([output, tensor], image)
        own = self.scores(np.asarray(raw, np.float64).ravel())
        target = int(own.argmax()) if self.target is None else self.target
        maps = maps_of(self.read(inner), grid)
        if not self.shows:
            return {"class": target, "score": float(own[target])}
        study = reference.Study(maps, image, lambda batch: scores(batch[0])[None], target, ending="softmax")
        # Signed features may leave nothing above 0; then what lies below is compared.
        for settings in ([], ["post_relu=false"]):
            self.map = reference.explain(study, reference.options("official", settings))
            if (self.map > 0.05).mean() > 0.1:
                break
        if np.ptp(self.map) == 0:
            raise ValueError(f"the map of {layer!r} is constant and would test nothing")
        row = {"class": target, "score": float(own[target]), "size": self.map.shape, "tolerance": self.tolerance}
        row |= {"set": settings} if settings else {}
        return row | {"map": True} | ({"target": target} if self.target is not None else {})


def picture(shape, seed):
    """A bright spot on noise, 0 to 1, in multiples of 1/255 as photos have them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[1], 0 : shape[2]]
    centre = random.uniform(0.3, 0.7, 2) * shape[1:]
    spot = 0.7 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 40)
    noise = random.uniform(0, 0.3, shape) + random.uniform(-0.1, 0.1, (shape[0], 1, 1))
    return (np.round(np.clip(spot + noise, 0, 1) * 255) / 255).astype(np.float32)
