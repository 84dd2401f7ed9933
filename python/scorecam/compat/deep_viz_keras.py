"""`ScoreCam` as experiencor/deep-viz-keras has its saliency masks; needs Keras 3, where that code needs TensorFlow 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._keras import from_keras


class ScoreCam:
    """Score-CAM of one output of a Keras model.

    Parameters
    ----------
    model : keras.Model
        Returns class scores [N, classes].
    output_index : int
        The class.
    layer : str, optional
        The layer; the last one with spatial extent when None.
    """

    def __init__(self, model: Any, output_index: int = 0, layer: str | None = None) -> None:
        self._model = from_keras(model, layer=layer)
        self._target = int(output_index)

    def get_mask(self, image: Any) -> npt.NDArray[np.float32]:
        """The map of one image [H, W, C], float32 [H, W] from 0 to 1."""
        return self._model.explain(_channels_first(image), self._target).map

    def get_smoothed_mask(self, image: Any, stdev_spread: float = 0.2, nsamples: int = 50) -> npt.NDArray[np.float64]:
        """The mean of the squared maps of noisy copies of an image [H, W, C], as that code smooths its masks."""
        values = np.asarray(image, dtype=np.float32)
        deviation = stdev_spread * (values.max() - values.min())
        noisy = (values + np.random.normal(0, deviation, values.shape) for _ in range(nsamples))
        found = self._model.explain_many((_channels_first(one) for one in noisy), self._target)
        return sum((np.square(one.map, dtype=np.float64) for one in found), np.zeros(values.shape[:2])) / nsamples


def _channels_first(image: Any) -> npt.NDArray[np.float32]:
    values = np.asarray(image, dtype=np.float32)
    if values.ndim != 3:
        raise ValueError(f"the image has shape {list(values.shape)}; give [H, W, C]")
    return np.ascontiguousarray(values.transpose(2, 0, 1))
