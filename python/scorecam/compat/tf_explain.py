"""`ScoreCAM` and `ScoreCAMCallback` as tf-explain has its explainers; needs Keras 3.

`explain` returns a grid of overlays, uint8 RGB, and `save` writes it, as that tool's explainers do.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _images, _native
from .._explanation import Picture
from .._keras import from_keras

Pixels = npt.NDArray[np.uint8]


class ScoreCAM:
    """Score-CAM of a set of images, as a grid of pictures."""

    def explain(
        self,
        validation_data: tuple[Any, Any],
        model: Any,
        class_index: int,
        layer_name: str | None = None,
        colormap: str = "viridis",
        image_weight: float = 0.7,
    ) -> Pixels:
        """Overlays of a set of images.

        Parameters
        ----------
        validation_data : tuple
            Images [N, H, W, C], and what belongs to them, which is not looked at.
        model : keras.Model
            Returns class scores [N, classes].
        class_index : int
            The class.
        layer_name : str, optional
            The layer; the last one with spatial extent when None.
        colormap : str
            A colormap of `Explanation.overlay`.
        image_weight : float
            The photo's share of the picture, 0 to 1.

        Returns
        -------
        numpy.ndarray
            uint8 RGB: a grid of overlays.
        """
        images = np.asarray(validation_data[0], dtype=np.float32)
        if images.ndim != 4:
            raise ValueError(f"the images have shape {list(images.shape)}; give [N, H, W, C]")
        loaded = from_keras(model, layer=layer_name)
        found = loaded.explain_many((np.ascontiguousarray(one.transpose(2, 0, 1)) for one in images), class_index)
        return grid(
            [
                one.overlay(photo=pixels(image), colormap=colormap, opacity=1 - image_weight).pixels
                for one, image in zip(found, images)
            ]
        )

    def save(self, grid: Pixels, output_dir: str, output_name: str) -> None:
        """Write a grid to a file of a folder, which is made where it is missing."""
        os.makedirs(output_dir, exist_ok=True)
        Picture(grid).save(os.path.join(output_dir, output_name))


def pixels(image: npt.NDArray[np.float32]) -> _native.Image:
    """A model's input as a photo: 0 to 1 or 0 to 255, and anything else stretched."""
    least, most = float(image.min()), float(image.max())
    if least < 0 or most > 255:
        image = (image - least) / max(most - least, 1e-12)
    scaled = image * 255 if max(most, 1.0) <= 1.0 or least < 0 or most > 255 else image
    return _images.image(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def grid(pictures: list[Pixels]) -> Pixels:
    """Pictures of one size in rows, as nearly a square as may be."""
    if not pictures:
        raise ValueError("no image was given; give at least one")
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    empty = [np.zeros_like(pictures[0])] * (rows * columns - len(pictures))
    every = pictures + empty
    lines = [np.concatenate(every[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.concatenate(lines, axis=0)


def _callback_class() -> Any:
    import keras

    class ScoreCAMCallback(keras.callbacks.Callback):  # type: ignore[misc]
        """Writes a grid of overlays at the end of each epoch.

        Parameters
        ----------
        validation_data, class_index, layer_name
            As `ScoreCAM.explain` takes them.
        output_dir : str
            The folder; its files are called epoch_0.png and so on.
        """

        def __init__(
            self, validation_data: Any, class_index: int, layer_name: str | None = None, output_dir: str = "logs"
        ) -> None:
            super().__init__()
            self.validation_data = validation_data
            self.class_index = class_index
            self.layer_name = layer_name
            self.output_dir = output_dir

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Write the grid of this epoch."""
            explainer = ScoreCAM()
            drawn = explainer.explain(self.validation_data, self.model, self.class_index, self.layer_name)
            explainer.save(drawn, self.output_dir, f"epoch_{epoch}.png")

    return ScoreCAMCallback


def __getattr__(name: str) -> Any:
    if name == "ScoreCAMCallback":
        return _callback_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
