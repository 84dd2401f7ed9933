"""The tables of cases that the Rust tests read, too: golden maps of every preset, and the lines of refused calls.

They need the toy backend, a plugin that `cargo build` makes and no wheel holds; SCORECAM_TOY names it.
"""

import functools
import json
import os

import numpy as np
import pytest
from conftest import ROOT

import scorecam

GOLDEN = ROOT / "tests/golden"
KINDS = {"invalid": ValueError, "not-found": LookupError, "unsupported": NotImplementedError}

pytestmark = pytest.mark.skipif("SCORECAM_TOY" not in os.environ, reason="SCORECAM_TOY names no toy plugin")


@pytest.fixture(scope="module", autouse=True)
def plugin():
    scorecam.load_plugin(os.environ["SCORECAM_TOY"])


@pytest.fixture(scope="module")
def loaded():
    """Models and arrays of the golden folder, each read once."""
    model = functools.cache(lambda name: scorecam.load_model(GOLDEN / name))
    return model, functools.cache(lambda name: np.load(GOLDEN / name))


def expected(where, array):
    """The map that a row names: rows and columns 0, stride, 2 stride, ..."""
    rows, columns = (-(-side // where["stride"]) for side in where["shape"])
    return array(where["file"])[where["offset"] :][: rows * columns].reshape(rows, columns)


def image(values):
    return values[0] if values.ndim == 4 else values


def test_golden_maps_of_the_toy_network(loaded):
    model, array = loaded
    cases, wrong = json.loads((GOLDEN / "toy.json").read_text())["cases"], []
    for case in cases:
        found = model(case["model"]).explain(
            image(array(case["input"])),
            case["class"],
            case.get("method", "score-cam"),
            case["preset"],
            case["layer"],
            fuse=case.get("fuse", "mean"),
            augment=case.get("augment", False),
            reference=None if case["reference"] is None else image(array(case["reference"])),
            **dict(pair.split("=", 1) for pair in case["set"]),
        )
        stride = case["expected"]["stride"]
        far = np.abs(found.map[::stride, ::stride] - expected(case["expected"], array)).max()
        if not far <= case["tolerance"]:
            wrong.append(f"{case['name']}: {far} is more than {case['tolerance']}")
    assert len(cases) > 200 and not wrong, wrong


def test_refused_calls_have_the_lines_of_the_table(loaded):
    model, array = loaded
    table = json.loads((GOLDEN / "refused.json").read_text())
    for case in table["cases"]:
        with pytest.raises(KINDS[case["kind"]]) as raised:
            model(table["model"]).explain(
                image(array(table["input"])),
                case["ask"],
                case["method"],
                case.get("preset"),
                case.get("layer"),
                **dict(pair.split("=", 1) for pair in case["set"]),
            )
        assert str(raised.value) == case["line"], case["name"]
