"""What the modules for PyTorch share: one model per module and layer, and a batch as images."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .._model import Model
from .._torch import from_torch


class Models:
    """The models of one module, by layer and input shape."""

    def __init__(self, module: Any, **given: Any) -> None:
        self._module = module
        self._given = given
        self._made: dict[Any, Model] = {}

    def of(self, layer: Any, images: Any) -> Model:
        """The model for images [N, C, H, W] and a layer, by name or as the submodule itself."""
        key = (layer, tuple(images.shape[1:]))
        if key not in self._made:
            self._made[key] = from_torch(self._module, example=images[:1].detach().cpu(), layer=layer, **self._given)
        return self._made[key]


def singles(images: Any) -> list[Any]:
    """The images of a batch [N, C, H, W]."""
    if images.ndim != 4:
        raise ValueError(f"the input has shape {list(images.shape)}; give images [N, C, H, W]")
    return [images[i] for i in range(len(images))]


def classes(target: Any, count: int) -> list[Any]:
    """The class of each of `count` images: one for all, or one for each; None for the best."""
    if target is None:
        return [None] * count
    if not isinstance(target, (list, tuple)) and getattr(target, "ndim", 0) == 0:
        return [operator.index(target)] * count
    found = [operator.index(one) for one in target]
    if len(found) == 1:
        return found * count
    if len(found) != count:
        raise ValueError(f"{len(found)} classes were given for {count} images; give one, or one for each")
    return found


def as_list(layers: Any) -> list[Any]:
    """One layer, or several."""
    return list(layers) if isinstance(layers, Sequence) and not isinstance(layers, str) else [layers]
