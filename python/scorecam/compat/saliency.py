"""`ScoreCam` as PAIR's saliency would have it; needs the package saliency.

Its protocol gives one value per image, so the score is that value: no softmax is taken of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from saliency.core.base import CONVOLUTION_LAYER_VALUES, OUTPUT_LAYER_VALUES, CoreSaliency

from .._engines import from_callable


class ScoreCam(CoreSaliency):  # type: ignore[misc]
    """Score-CAM by the library's protocol."""

    expected_keys = [CONVOLUTION_LAYER_VALUES, OUTPUT_LAYER_VALUES]

    def GetMask(
        self, x_value: Any, call_model_function: Any, call_model_args: Any = None, batch_size: int = 16
    ) -> npt.NDArray[np.float32]:
        """The map of one image.

        Parameters
        ----------
        x_value : numpy.ndarray
            [H, W, C].
        call_model_function : callable
            As the library's protocol has it: gives CONVOLUTION_LAYER_VALUES [N, h, w, K] and OUTPUT_LAYER_VALUES [N].
        call_model_args : optional
            Handed to it.
        batch_size : int
            Images per pass.

        Returns
        -------
        numpy.ndarray
            float32 [H, W], 0 to 1.
        """

        def asked(images: Any, key: str) -> Any:
            batch = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
            return np.asarray(call_model_function(batch, call_model_args, expected_keys=[key])[key], dtype=np.float32)

        image = np.asarray(x_value, dtype=np.float32).transpose(2, 0, 1)
        model = from_callable(
            lambda images: asked(images, OUTPUT_LAYER_VALUES).reshape(len(images), 1),
            image.shape,
            activations=lambda images: asked(images, CONVOLUTION_LAYER_VALUES).transpose(0, 3, 1, 2),
            batch_size=batch_size,
            manifest={"output": {"kind": "value"}},
        )
        return model.explain(image, "value").map
