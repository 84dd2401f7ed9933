"""The verdict on one file: which layer the program chose, whether it is the right one, and whether its map is.

The program is asked as a user asks it who knows nothing of the model: no layer, no manifest. The tensor behind
the layer's name is then computed outside the engine, and compared with the tensors that practitioners explain,
whatever its layout: so nothing that the program says about tokens or axes is taken on trust.
"""

import json
import pathlib
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import numpy as np

import files
import reference

CHANNELS = 24
MAP_TOLERANCE = 1e-4
# Of the greatest value. What exporters and runtimes change by folding and reordering lies far below.
TENSOR_TOLERANCE = 2e-3
TIME_LIMIT = 300


@dataclass
class Verdict:
    family: str = ""
    name: str = ""
    exporter: str = ""
    outcome: str = ""  # right, refused, wrong layer, wrong map
    layer: str = ""
    meaning: str = ""  # as `scorecam layers` lists it
    matches: str = ""  # the practitioners' layer that this tensor is
    difference: float | None = None
    seconds: float = 0.0
    load_seconds: float = 0.0
    passes: int = 0
    words: str = ""  # the refusal or the warnings
    remarks: list = field(default_factory=list)

    @property
    def silent(self):
        """Whether a wrong result came without a warning that doubts the layer."""
        return self.outcome.startswith("wrong") and "layer" not in self.words


class Program:
    """The built `scorecam`, with a plugin of its own where one is named."""

    def __init__(self, path, plugins=()):
        self._path = path
        self._plugins = [word for plugin in plugins for word in ("--plugin", plugin)]

    def run(self, *words):
        """Standard output, the error's text or None, and the seconds that it took."""
        began = time.monotonic()
        command = [self._path, *map(str, words), *self._plugins]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            return "", f"no answer within {TIME_LIMIT} s", TIME_LIMIT
        seconds = time.monotonic() - began
        if done.returncode == 0:
            return done.stdout, None, seconds
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode} without a word"]
        return done.stdout, lines[-1], seconds


def judge(program, architecture, exporter, path, folder, runner_of):
    """Explains `path` and compares. `runner_of(layer)` makes the model's runner outside the engine."""
    verdict = Verdict(architecture.family, architecture.name, exporter)
    listing, _, verdict.load_seconds = program.run("layers", "--model", path)
    image_path = files.image(folder, architecture)
    with tempfile.TemporaryDirectory() as work:
        map_path = pathlib.Path(work) / "map.npy"
        answer, error, verdict.seconds = program.run(
            "explain", image_path, "--model", path, "--json", "-", "--map", map_path,
            "--set", "select=max", "--set", f"select_count={CHANNELS}",
        )  # fmt: skip
        if error:
            verdict.outcome, verdict.words = "refused", error
            return verdict
        saliency = np.load(map_path)
    result = json.loads(answer)["results"][0]
    verdict.layer, verdict.passes = result["layer"], result["passes"]
    verdict.words = "; ".join(map(str, result["warnings"]))
    verdict.meaning = meaning_of(listing, verdict.layer)
    image = np.load(image_path)
    runner = runner_of(verdict.layer)
    tensor = runner.activation(image)
    with np.load(files.expected(folder, architecture)) as wanted:
        verdict.matches, maps = match(tensor, wanted)
    if maps is None:
        verdict.outcome = "wrong layer"
        verdict.remarks.append(f"the tensor is {list(tensor.shape)}")
        return verdict
    compare(verdict, result["targets"][0], saliency, maps, image, runner)
    return verdict


def compare(verdict, target, saliency, maps, image, runner):
    """Completes the verdict on a right layer with that on its map."""
    best = int(runner.scores(image[None])[0].argmax())
    if target["class"] != best:
        verdict.remarks.append(f"class {target['class']}, not {best}")
    expected = reference.score_cam(maps, image, runner.scores, target["class"], CHANNELS)
    verdict.difference = float(np.abs(saliency - expected).max()) if saliency.shape == expected.shape else np.inf
    right = verdict.difference <= MAP_TOLERANCE and target["class"] == best
    verdict.outcome = "right" if right else "wrong map"
    if expected.max() == 0:
        verdict.remarks.append("the map is all zero")


def match(tensor, wanted):
    """The practitioners' layer that this tensor is, up to layout, and its maps; ("", None) for none."""
    for text in wanted.files:
        maps = wanted[text]
        for arranged in arrangements(np.squeeze(tensor), maps.shape):
            if np.abs(arranged - maps).max() <= TENSOR_TOLERANCE * np.abs(maps).max():
                return text, arranged
    return "", None


def arrangements(tensor, shape):
    """Every way to read a tensor as maps of this shape."""
    channels, height, width = shape
    places = height * width
    if tensor.ndim == 3:
        if tensor.shape == shape:
            yield tensor
        if tensor.shape == (height, width, channels):
            yield tensor.transpose(2, 0, 1)
    if tensor.ndim == 2:
        for tokens in (tensor, tensor.T):
            if tokens.shape[1] == channels and tokens.shape[0] >= places:
                yield tokens[len(tokens) - places :].T.reshape(shape)


def meaning_of(listing, layer):
    """The columns behind the layer's name in the list of layers."""
    for line in listing.splitlines():
        if line.startswith(layer + " "):
            return " ".join(re.sub(r"\bdefault\b.*", "", line[len(layer) :]).split())
    return ""
