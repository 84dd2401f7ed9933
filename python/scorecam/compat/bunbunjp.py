"""`score_cam` as bunbunjp/Score-CAM-VGG16 has it, for any Keras 3 model; needs Keras 3, where that code needs Keras 2.

Its softmax is taken of whatever the model returns, also of probabilities, as that code does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._keras import from_keras


def score_cam(model: Any, img_array: Any, layer_name: str, max_N: int = -1) -> npt.NDArray[np.float32]:
    """The map of the class that a model gives the highest score.

    Parameters
    ----------
    model : keras.Model
        Returns class scores [N, classes].
    img_array : numpy.ndarray
        One image [1, H, W, C].
    layer_name : str
        The layer.
    max_N : int
        How many channels take part, those with the greatest deviation; all when -1.

    Returns
    -------
    numpy.ndarray
        float32 [h, w], of the layer's size, divided by its maximum. It is not rectified, so it may be negative.
    """
    images = np.asarray(img_array, dtype=np.float32)
    if images.ndim != 4 or len(images) != 1:
        raise ValueError(f"img_array has shape {list(images.shape)}; give one image [1, H, W, C]")
    loaded = from_keras(model, layer=layer_name, manifest={"output": {"activation": "none"}})
    selected: dict[str, Any] = {} if max_N == -1 else {"select": "std", "select_count": max_N}
    image = np.ascontiguousarray(images[0].transpose(2, 0, 1))
    return loaded.explain(image, preset="bunbunjp", **selected).map
