"""`ScoreCam` as utkuozbulak/pytorch-cnn-visualizations has it; needs PyTorch and Pillow.

Its maps have the size of the input, 0 to 1 in steps of 1/255, as that code's users expect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._batches import Models


class ScoreCam:
    """Score-CAM of a layer of `model.features`.

    Parameters
    ----------
    model : torch.nn.Module
        A network whose layers are `model.features`, as AlexNet and VGG have them.
    target_layer : int
        The index of a layer in it.
    """

    def __init__(self, model: Any, target_layer: int) -> None:
        self.model = model
        self.target_layer = int(target_layer)
        self._models = Models(model)

    def generate_cam(self, input_image: Any, target_class: int | None = None) -> npt.NDArray[np.float64]:
        """The map of one image.

        Parameters
        ----------
        input_image : torch.Tensor
            [1, C, H, W].
        target_class : int, optional
            The class; the best when None.

        Returns
        -------
        numpy.ndarray
            float64 [H, W], 0 to 1.
        """
        from PIL import Image

        model = self._models.of(self.model.features[self.target_layer], input_image)
        found = model.explain(input_image, target_class, preset="utkuozbulak").map
        gray = Image.fromarray(np.uint8(found * 255))
        size = (input_image.shape[3], input_image.shape[2])
        scaled: npt.NDArray[np.float64] = np.asarray(gray.resize(size, Image.Resampling.LANCZOS)) / 255.0
        return scaled
