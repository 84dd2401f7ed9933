"""The available methods with their options and presets, and backends."""

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
        A description.
    kind : str
        "flag", "integer", "number", "choice" or "text".
    default : str
        The default value.
    range : tuple of float or None
        The minimum and maximum of a number.
    choices : tuple of str
        The words that it accepts.
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
        The id for `Model.explain`.
    summary : str
        A description in one line.
    needs : tuple of str
        The abilities that a model needs: "gradients", "run-from", "gradients or run-from".
    needs_layer : bool
        Whether it needs a target layer.
    options : tuple of MethodOption
        Its options.
    presets : dict of str to str
        Its presets with their descriptions.
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
        The id for `load_model`.
    extensions : tuple of str
        The extensions of its models' files.
    device : str
        The device of its models, or the missing part.
    ready : bool
        Whether it is ready on this machine.
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
        The file does not exist, or the folder has no plugins.
    RuntimeError
        The file is not a plugin, or a plugin of another version.
    """
    _runtime.prepare()
    _native.load_plugin(os.fspath(path))
