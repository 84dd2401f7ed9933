"""Engines in Python: the functions for the native side, and `from_callable`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _images, _native, _request
from ._model import Model

Floats = npt.NDArray[np.float32]
Function = Callable[[Any], Any]


class Engine:
    """The native side's interface to a model in Python. An engine may keep every array.

    `info` is a dict that is read once: "input" [C, H, W], "outputs" and "layers" with their shapes after the batch
    axis, "batch_size", "fixed_batch", and the abilities "masked", "run_from" and "gradients".
    """

    info: dict[str, Any]

    def forward(self, images: Floats, wanted: Sequence[str]) -> list[Floats]:
        """The `wanted` outputs and layers for images [N, C, H, W]."""
        raise NotImplementedError

    def masks(self, images: Floats, fill: Floats | None, rows: Floats, columns: Floats) -> Any:
        """Makes masked images of `images` [I, C, H, W]: an object whose `run(masks, of, wanted)` returns the wanted
        tensors of `mask * images[of] + (1 - mask) * fill[of]`, each mask [h, w] being upsampled to `rows @ mask @
        columns.T`."""
        raise NotImplementedError

    def cuts(self, images: Floats, fill: Floats | None, ranks: Floats) -> Any:
        """Like `masks`, for pairs (map, count): a mask is 0 where `ranks[map]` is below `count`, else 1."""
        raise NotImplementedError

    def run_from(self, images: Floats, layer: str, activations: Floats, wanted: Sequence[str]) -> list[Floats]:
        """The outputs with `activations` [N, ...] in place of those of `layer`; paths that bypass the layer use the
        image."""
        raise NotImplementedError

    def gradients(self, images: Floats, layer: str, cotangents: Sequence[tuple[str, Floats]]) -> Floats:
        """The derivative of the outputs, each times its cotangent, with respect to the activations of `layer`."""
        raise NotImplementedError


def floats(value: Any) -> Floats:
    """The result of a user's function, as contiguous float32."""
    found = np.asarray(_images.array(value), dtype=np.float32)
    return found if found.flags.c_contiguous else np.ascontiguousarray(found)


def scores(value: Any, count: int, who: str) -> Floats:
    """A function's scores of `count` images, [N, ...]."""
    if isinstance(value, Mapping):
        keys = ", ".join(repr(key) for key in value)
        raise TypeError(f"{who} returns a dict with {keys}; give a function that returns one of these, [N, classes]")
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):
        raise TypeError(f"{who} returns {len(value)} values; give a function that returns the scores alone, [N, classes]")
    found = floats(value)
    if found.ndim == 1 and len(found) == count:
        found = found[:, None]
    if found.ndim == 0 or len(found) != count:
        raise ValueError(f"{who} gave scores of shape {list(found.shape)} for {count} images; give [N, classes]")
    return found


def preprocessing(
    manifest: Any, labels: Any, mean: Any, std: Any, scale: Any, layer: str | None
) -> tuple[str, str]:
    """The manifest of a model in memory, with the additional arguments."""
    text, folder = _request.manifest(manifest) or ("", os.getcwd())
    extra = {
        "model": {"labels": labels, "layer": layer},
        "input": {"mean": mean, "std": std, "scale": scale},
    }
    given = {name: {k: v for k, v in table.items() if v is not None} for name, table in extra.items()}
    given = {name: table for name, table in given.items() if table}
    if given and manifest is not None:
        if not isinstance(manifest, Mapping):
            raise ValueError("give labels, mean, std, scale and layer in the manifest, or give no manifest")
        merged = {name: {**manifest.get(name, {}), **given.get(name, {})} for name in {**manifest, **given}}
        return _request.toml(merged), folder
    return (text, folder) if manifest is not None else (_request.toml(given), folder)


def check_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """[C, H, W]."""
    shape = tuple(int(side) for side in input_shape)
    if len(shape) == 4:
        shape = shape[1:]
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"input_shape is {list(input_shape)}; give (channels, height, width)")
    return shape


class CallableEngine(Engine):
    """An engine over plain functions of batches."""

    def __init__(
        self,
        function: Function,
        shape: tuple[int, int, int],
        activations: Mapping[str, Function],
        run_from: Mapping[str, Function],
        batch_size: int,
    ) -> None:
        self._function = function
        self._activations = activations
        self._run_from = run_from
        zeros = np.zeros((1, *shape), dtype=np.float32)
        classes = scores(function(zeros), 1, "the function")
        layers = [self._layer(name, zeros, rank) for rank, name in enumerate(activations)]
        self.info = {
            "input": list(shape),
            "outputs": [("scores", list(classes.shape[1:]))],
            "layers": layers,
            "batch_size": batch_size,
            "fixed_batch": False,
            "masked": False,
            "run_from": bool(run_from) and set(run_from) == set(activations),
            "gradients": False,
        }

    def _layer(self, name: str, zeros: Floats, rank: int) -> dict[str, Any]:
        found = self._maps(name, zeros)
        return {
            "name": name,
            "operator": "function",
            "shape": list(found.shape[1:]),
            "maps": found.ndim == 4,
            "preference": rank + 1,
        }

    def _maps(self, name: str, images: Floats) -> Floats:
        found = floats(self._activations[name](images))
        if found.ndim < 2 or len(found) != len(images):
            raise ValueError(
                f"activations {name!r} have shape {list(found.shape)} for {len(images)} images; give [N, K, h, w]"
            )
        return found

    def forward(self, images: Floats, wanted: Sequence[str]) -> list[Floats]:
        one = {}
        for name in wanted:
            if name in self._activations:
                one[name] = self._maps(name, images)
            else:
                one[name] = scores(self._function(images), len(images), "the function")
        return [one[name] for name in wanted]

    def run_from(self, images: Floats, layer: str, activations: Floats, wanted: Sequence[str]) -> list[Floats]:
        found = scores(self._run_from[layer](activations), len(activations), "run_from")
        return [found for _ in wanted]


def from_callable(
    function: Function,
    input_shape: Sequence[int],
    *,
    activations: Function | Mapping[str, Function] | None = None,
    run_from: Function | Mapping[str, Function] | None = None,
    batch_size: int = 16,
    labels: Sequence[str] | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    layer: str | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Model:
    """Explain any function that scores a batch of images.

    Parameters
    ----------
    function : callable
        Takes float32 images [N, C, H, W] as a NumPy array, which it may keep, and returns scores [N, classes] as an
        array of NumPy, PyTorch, JAX or anything with `__dlpack__`. Its exceptions propagate unchanged.
    input_shape : tuple of int
        (channels, height, width).
    activations : callable or dict of callables, optional
        The activation maps [N, K, h, w] of a batch, or functions for several layers by name. Methods that need no
        layer, such as "rise", do not use it.
    run_from : callable or dict of callables, optional
        The scores of activations [N, K, h, w], for methods that run a model from its layer, such as "recipro-cam".
    batch_size : int
        The default number of images per pass.
    labels : list of str or path, optional
        The names of the classes.
    mean, std : list of float, optional
        The mean and deviation for normalizing photos, per channel, in units of pixel * scale.
    scale : float, optional
        The factor of pixels, 1/255 when None.
    layer : str, optional
        The layer to explain; the last of `activations` when None.
    manifest : path or dict, optional
        All other settings of a model's manifest.

    Returns
    -------
    Model

    Examples
    --------
    >>> import numpy as np, scorecam
    >>> def brightness(images):
    ...     return images.mean(axis=(2, 3))
    >>> model = scorecam.from_callable(brightness, (3, 16, 16), labels=["red", "green", "blue"])
    >>> image = np.zeros((3, 16, 16), dtype=np.float32)
    >>> image[2, 4:8, 4:8] = 1.0
    >>> model.explain(image, method="rise", passes=200).target.label
    'blue'
    """
    shape = check_shape(input_shape)
    engine = CallableEngine(function, shape, named(activations), named(run_from), batch_size)
    return Model(_native.Model.from_engine(engine, preprocessing(manifest, labels, mean, std, scale, layer)))


def named(functions: Function | Mapping[str, Function] | None) -> dict[str, Function]:
    if functions is None:
        return {}
    return dict(functions) if isinstance(functions, Mapping) else {"activations": functions}
