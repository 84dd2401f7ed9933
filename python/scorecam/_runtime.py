"""ONNX Runtime: the library inside the Python package `onnxruntime`, unless a user names another."""

from __future__ import annotations

import functools
import importlib.util
import os

from . import _native


@functools.cache
def folder() -> str | None:
    """The folder of ONNX Runtime's library in the package `onnxruntime`, which is not imported for it."""
    try:
        spec = importlib.util.find_spec("onnxruntime")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return os.path.join(os.path.dirname(spec.origin), "capi")


def prepare() -> None:
    """Passes the location of ONNX Runtime to the native side. Called before every function that may load a model."""
    found = folder()
    if found is not None:
        _native.set_runtime_folder(found)
