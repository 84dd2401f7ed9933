"""`ScoreCAM` as pytorch-grad-cam (the package grad-cam) has it; needs PyTorch.

Its maps are that tool's within rounding: float32 [N, H, W] at the size of the input, 0 to 1. `reshape_transform` is not
needed, since how a layer's maps lie is found out, and is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._batches import Models, as_list, singles

EPS = 1e-7


class ScoreCAM:
    """Score-CAM of one or several layers.

    Parameters
    ----------
    model : torch.nn.Module
        Returns class scores [N, classes].
    target_layers : list of torch.nn.Module
        The layers, whose maps become one by their mean.
    reshape_transform : callable, optional
        Ignored.
    """

    def __init__(self, model: Any, target_layers: Any, reshape_transform: Callable[[Any], Any] | None = None) -> None:
        self.model = model
        self.target_layers = as_list(target_layers)
        self.batch_size = 16
        self._models = Models(model)

    def __call__(
        self,
        input_tensor: Any,
        targets: Sequence[Any] | None = None,
        aug_smooth: bool = False,
        eigen_smooth: bool = False,
    ) -> npt.NDArray[np.float32]:
        """Maps of a batch.

        Parameters
        ----------
        input_tensor : torch.Tensor
            [N, C, H, W].
        targets : list of callables, optional
            One per image: `ClassifierOutputTarget`, or any function of one image's output; the best class when None.
        aug_smooth, eigen_smooth : bool
            Must be False.

        Returns
        -------
        numpy.ndarray
            float32 [N, H, W].
        """
        if aug_smooth or eigen_smooth:
            raise NotImplementedError("aug_smooth and eigen_smooth are not there; scorecam's explain has augment=True")
        images = singles(input_tensor)
        if targets is not None and len(targets) != len(images):
            raise ValueError(f"{len(targets)} targets were given for {len(images)} images; give one for each")
        return np.stack([self._map(image, targets[i] if targets else None) for i, image in enumerate(images)])

    def _map(self, image: Any, target: Any) -> npt.NDArray[np.float32]:
        models, asked = self._models, getattr(target, "category", None)
        if target is not None and asked is None:
            import torch

            models = Models(
                self.model,
                output=lambda found: torch.stack([target(row).reshape(1) for row in found]),
                manifest={"output": {"kind": "value"}},
            )
            asked = "value"
        # The last scaling is that of the mean.
        order: dict[str, Any] = {} if len(self.target_layers) == 1 else {"order": "norm-resize"}
        maps = [
            models.of(layer, image[None])
            .explain(image, asked, preset="pytorch-grad-cam", batch_size=self.batch_size, **order)
            .map
            for layer in self.target_layers
        ]
        if len(maps) == 1:
            return maps[0]
        mean = np.mean(maps, axis=0)
        scaled: npt.NDArray[np.float32] = ((mean - mean.min()) / (EPS + (mean - mean.min()).max())).astype(np.float32)
        return scaled

    def __enter__(self) -> ScoreCAM:
        return self

    def __exit__(self, *_: object) -> None:
        return None
