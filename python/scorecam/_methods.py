"""What there is to choose from: methods with their options and presets, and backends."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import _native, _runtime


@dataclass(frozen=True)
class MethodOption:
    """An option of a method.

    Attributes
    ----------
    name : str
        The name, as a keyword argument of `Model.explain`.
    help : str
        What it decides.
    kind : str
        "flag", "integer", "number", "choice" or "text".
    default : str
        Its value when none is given.
    range : tuple of float or None
        The least and the greatest number.
    choices : tuple of str
        The words that it takes.
    """

    name: str
    help: str
    kind: str
    default: str
    range: tuple[float, float] | None
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """An explanation method.

    Attributes
    ----------
    id : str
        What `Model.explain` takes as `method`.
    summary : str
        What it does, in a line.
    needs : tuple of str
        What a model must be able to do: "gradients", "run-from", "gradients or run-from".
    needs_layer : bool
        Whether it looks at a target layer.
    options : tuple of MethodOption
        Its options.
    presets : dict of str to str
        Its presets, each with what it reproduces.
    """

    id: str
    summary: str
    needs: tuple[str, ...]
    needs_layer: bool
    options: tuple[MethodOption, ...]
    presets: dict[str, str]


@dataclass(frozen=True)
class Backend:
    """A backend that loads models from files.

    Attributes
    ----------
    id : str
        What `load_model` takes as `backend`.
    extensions : tuple of str
        The endings of its models' files.
    device : str
        What models would run on, or what is missing.
    ready : bool
        Whether it can work on this machine.
    """

    id: str
    extensions: tuple[str, ...]
    device: str
    ready: bool


def methods() -> list[Method]:
    """List the methods with their options and presets.

    Returns
    -------
    list of Method
        Every method, built-in ones first.

    Examples
    --------
    >>> import scorecam
    >>> score_cam = scorecam.methods()[0]
    >>> score_cam.id, score_cam.needs_layer
    ('score-cam', True)
    >>> score_cam.presets["paper"]
    'the paper, section 3.2: probability minus that of the zero image'
    """
    return [_method(found) for found in _native.methods()]


def _method(found: _native.MethodDict) -> Method:
    options = tuple(
        MethodOption(o["name"], o["help"], o["kind"], o["default"], o["range"], tuple(o["choices"]))
        for o in found["options"]
    )
    needs = tuple(need for need in found["needs"].split(", ") if need)
    return Method(found["id"], found["summary"], needs, found["needs_layer"], options, dict(found["presets"]))


def backends() -> list[Backend]:
    """List the backends that are registered, and whether each can work here.

    Returns
    -------
    list of Backend
        In the order of loading.

    Examples
    --------
    >>> import scorecam
    >>> scorecam.backends()[0].id
    'onnx-cpu'
    """
    _runtime.prepare()
    return [Backend(id, tuple(extensions), device, ready) for id, extensions, device, ready in _native.backends()]


def load_plugin(path: str | os.PathLike[str]) -> None:
    """Load the plugin in a file, or every plugin in a folder.

    Parameters
    ----------
    path : path
        A plugin's library, or a folder of them. Its code runs in this process.

    Raises
    ------
    OSError
        There is no such file, or no plugin in the folder.
    RuntimeError
        The file is no plugin, or one of another version.
    """
    _runtime.prepare()
    _native.load_plugin(os.fspath(path))
