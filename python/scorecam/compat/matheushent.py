"""`ScoreCAM` as matheushent/score-cam has it; needs Keras 3, where that code needs TensorFlow 2 with its own Keras.

The weight of a channel is the model's own output, which that code expects to be a probability. Images of a batch are
explained one by one; that code mixes up the channels of several.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .._explanation import Explanation, Picture
from .._keras import from_keras
from .tf_explain import grid

Pixels = npt.NDArray[np.uint8]

# OpenCV's numbers of the colormaps that are here, too.
OPENCV = {2: "jet", 14: "inferno", 16: "viridis", 20: "turbo"}


class ScoreCAM:
    """Score-CAM of a set of images, as pictures."""

    def explain(
        self,
        validation_data: tuple[Any, Any],
        model: Any,
        class_index: int,
        input_shape: tuple[int, int] | None = None,
        colormap: str | int = "jet",
        image_weight: float = 0.7,
        display_in_grid: bool = True,
    ) -> Pixels:
        """Pictures of a set of images with their maps.

        Parameters
        ----------
        validation_data : tuple
            Images [N, H, W, 3], and what belongs to them, which is not looked at.
        model : keras.Model
            Returns class probabilities [N, classes].
        class_index : int
            The class.
        input_shape : tuple of int, optional
            (H, W) of the images; theirs when None.
        colormap : str or int
            A colormap of `Explanation.overlay`, or OpenCV's number of one of these.
        image_weight : float
            The image's share of the picture, to which the map's colors are added.
        display_in_grid : bool
            Whether pictures become one.

        Returns
        -------
        numpy.ndarray
            uint8 RGB: a grid, or [N, H, W, 3].
        """
        images = np.asarray(validation_data[0], dtype=np.float32)
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"the images have shape {list(images.shape)}; give [N, H, W, 3]")
        if input_shape is not None and tuple(input_shape) != images.shape[1:3]:
            raise ValueError(f"input_shape is {tuple(input_shape)}, but the images have {images.shape[1:3]}; give the same")
        name = OPENCV.get(colormap) if isinstance(colormap, int) else colormap
        if name is None:
            known = ", ".join(f"{number} ({name})" for number, name in OPENCV.items())
            raise ValueError(f"colormap {colormap} of OpenCV is not here; give {known}, or a name")
        manifest = {"output": {"activation": "softmax"}}
        loaded = from_keras(model, layer=self.get_last_convolutional_layer_name(model), manifest=manifest)
        every = (np.ascontiguousarray(image.transpose(2, 0, 1)) for image in images)
        found = loaded.explain_many(every, class_index, preset="matheushent")
        pictures = [picture(one, image, name, image_weight) for one, image in zip(found, images)]
        return grid(pictures) if display_in_grid else np.stack(pictures)

    @staticmethod
    def get_last_convolutional_layer_name(model: Any) -> str:
        """The name of the last layer with maps that has "conv" in its name."""
        for layer in reversed(model.layers):
            if "conv" in layer.name and len(layer.output.shape) == 4:
                return str(layer.name)
        raise ValueError(f'no layer of {model.name} with maps has "conv" in its name; scorecam.from_keras takes any')

    def save(self, grid: Pixels, output_dir: str, output_name: str) -> None:
        """Write a picture to a file of a folder, which is made where it is missing."""
        os.makedirs(output_dir, exist_ok=True)
        Picture(grid).save(os.path.join(output_dir, output_name))


def picture(found: Explanation, image: npt.NDArray[np.float32], colormap: str, image_weight: float) -> Pixels:
    """An image with the colors of its map added to it."""
    photo = levels(image)
    colors = found.overlay(photo=photo, colormap=colormap, opacity=1.0).pixels
    added = photo * np.float32(image_weight) + colors
    return np.clip(np.rint(added), 0, 255).astype(np.uint8)


def levels(image: npt.NDArray[np.float32]) -> Pixels:
    """A model's input as pixels: -1 to 1, 0 to 1 or 0 to 255."""
    if image.min() < 0:
        image = (image + 1) / 2
    scaled = image if image.max() > 1 else image * 255
    return np.clip(scaled, 0, 255).astype(np.uint8)
