"""`from_keras`: a Keras 3 model in memory, on any Keras backend."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import _images, _native
from ._engines import Engine, Floats, floats, preprocessing, scores
from ._model import Model


class KerasEngine(Engine):
    """An engine over a functional model: one model per set of wanted layers."""

    def __init__(self, model: Any, batch_size: int) -> None:
        import keras

        self._keras = keras
        self._model = model
        self._last = keras.config.image_data_format() == "channels_last"
        self._taps: dict[tuple[str, ...], Any] = {}
        inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
        if len(inputs) != 1 or len(outputs) != 1:
            raise TypeError(
                f"{type(model).__name__} {model.name!r} has {len(inputs)} inputs and {len(outputs)} outputs; give a built "
                "functional or sequential model with one of each, as keras.Model(inputs, scores) makes it"
            )
        self._output = outputs[0]
        shape = list(inputs[0].shape[1:])
        if len(shape) != 3 or None in shape:
            raise ValueError(f"the model takes {shape}; give one whose input has three axes of known length")
        self._layers = {layer.name: layer for layer in model.layers if self._is_tensor(layer)}
        layers = [self._layer(layer, rank) for rank, layer in enumerate(self._layers.values())]
        self.info = {
            "input": [shape[2], shape[0], shape[1]] if self._last else shape,
            "outputs": [("output", list(self._output.shape[1:]))],
            "layers": layers,
            "batch_size": batch_size,
            "fixed_batch": False,
            "masked": False,
            "run_from": False,
            "gradients": False,
        }

    def _is_tensor(self, layer: Any) -> bool:
        try:
            shape = layer.output.shape
        except AttributeError:
            return False
        return len(shape) >= 3 and type(layer).__name__ != "InputLayer"

    def _layer(self, layer: Any, rank: int) -> dict[str, Any]:
        shape = list(layer.output.shape[1:])
        if len(shape) == 3 and self._last:
            shape = [shape[2], shape[0], shape[1]]
        kind = type(layer).__name__
        return {"name": layer.name, "operator": kind, "shape": shape, "maps": len(shape) == 3, "preference": rank + 1}

    def _tapped(self, names: tuple[str, ...]) -> Any:
        if names not in self._taps:
            outputs = [self._layers[name].output if name in self._layers else self._output for name in names]
            self._taps[names] = self._keras.Model(self._model.inputs[0], outputs)
        return self._taps[names]

    def forward(self, images: Floats, wanted: Sequence[str]) -> list[Floats]:
        names = tuple(dict.fromkeys(wanted))
        batch = np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if self._last else images
        with self._without_graph():
            found = self._tapped(names)(batch, training=False)
        every = [self._floats(one) for one in (found if isinstance(found, (list, tuple)) else [found])]
        turned = {
            name: np.ascontiguousarray(one.transpose(0, 3, 1, 2)) if name in self._layers and one.ndim == 4 and self._last
            else one
            for name, one in zip(names, every)
        }  # fmt: skip
        return [turned[name] if name in self._layers else scores(turned[name], len(images), "the model") for name in wanted]

    def _without_graph(self) -> contextlib.AbstractContextManager[Any]:
        """Disables PyTorch's graph for gradients, if PyTorch is the backend."""
        if self._keras.backend.backend() != "torch":
            return contextlib.nullcontext()
        import torch

        return torch.no_grad()

    def _floats(self, tensor: Any) -> Floats:
        return floats(tensor if _images.is_torch(tensor) else self._keras.ops.convert_to_numpy(tensor))


def from_keras(
    model: Any,
    *,
    layer: str | None = None,
    batch_size: int = 16,
    labels: Sequence[str] | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Model:
    """Explain a Keras 3 model in memory, on any Keras backend.

    Parameters
    ----------
    model : keras.Model
        A functional or sequential model with one image input and one output of class scores.
    layer : str, optional
        The layer to explain; None for the last one with spatial extent.
    batch_size : int
        The default number of images per pass.
    labels, mean, std, scale, manifest
        As in `from_torch`.

    Returns
    -------
    Model
        Its images are [C, H, W], even if the model's own are [H, W, C].

    Raises
    ------
    TypeError
        The model has several outputs.
    """
    engine = KerasEngine(model, batch_size)
    if layer is not None and layer not in {one["name"] for one in engine.info["layers"]}:
        there = ", ".join(one["name"] for one in engine.info["layers"][-8:]) or "none"
        raise LookupError(f"layer {layer!r} is no layer of {model.name} with maps; the last ones are {there}")
    return Model(_native.Model.from_engine(engine, preprocessing(manifest, labels, mean, std, scale, layer)))
