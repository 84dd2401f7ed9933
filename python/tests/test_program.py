"""The program: it is the one that the wheel holds, and its maps are this package's."""

import importlib.metadata
import os
import subprocess
import sys

import numpy as np
import pytest

import scorecam
from scorecam import __main__ as program


def installed():
    """Whether pip has installed the package, with the program in it."""
    try:
        importlib.metadata.distribution("scorecam")
    except importlib.metadata.PackageNotFoundError:
        return False
    return os.path.isfile(program.program())


def run(*arguments):
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    return subprocess.run(
        [sys.executable, "-m", "scorecam", *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.skipif(not os.path.isfile(program.program()), reason="this installation has no program")
def test_its_maps_are_equal_bit_for_bit(model, onnx, photo, tmp_path):
    (tmp_path / "tiny.toml").write_text(f'[model]\nfile = "{onnx}"\n[input]\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n')
    done = run("explain", photo, "--model", tmp_path / "tiny.toml", "--map", tmp_path / "map.npy", "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.squeeze(np.load(tmp_path / "map.npy")), model.explain(photo).map)
    assert run("--version").stdout.split()[:2] == ["scorecam", scorecam.__version__]


def test_an_installation_without_it_says_so(monkeypatch, capsys):
    monkeypatch.setenv("SCORECAM_PROGRAM", "/no/such/program")
    assert program.main() == 1
    assert "SCORECAM_PROGRAM" in capsys.readouterr().err


def test_onnx_runtime_is_taken_from_its_package(monkeypatch):
    monkeypatch.delenv("ORT_DYLIB_PATH", raising=False)
    assert "onnxruntime" in program.environment()["ORT_DYLIB_PATH"]
    monkeypatch.setenv("ORT_DYLIB_PATH", "mine")
    assert program.environment()["ORT_DYLIB_PATH"] == "mine"


@pytest.mark.skipif(not installed(), reason="this is no installed wheel")
def test_licences_of_what_is_linked_in_are_installed():
    folder = os.path.join(os.path.dirname(program.__file__), "_third_party")
    with open(os.path.join(folder, "crates.txt"), encoding="utf-8") as file:
        text = file.read()
    names = {line.split(" ")[0] for line in text.splitlines()[:400]}
    assert {"pyo3", "numpy", "clap", "ort"} <= names and "Permission is hereby granted" in text
