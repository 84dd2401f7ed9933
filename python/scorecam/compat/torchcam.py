"""`ScoreCAM` as torchcam has it; needs PyTorch.

The extractor watches the model for its input, and explains the last one that it saw. Its maps are that tool's within
rounding: a list with a tensor [N, h, w] of the layer's size per layer.
"""

from __future__ import annotations

from typing import Any

from ._batches import Models, as_list, classes, singles


class ScoreCAM:
    """Score-CAM of the input that a model ran on last.

    Parameters
    ----------
    model : torch.nn.Module
        Returns class scores [N, classes].
    target_layer : str, torch.nn.Module or list of these, optional
        The layer or layers; the last one with spatial extent when None.
    batch_size : int
        Images per pass.
    input_shape : tuple of int
        Not needed, since the input is seen.
    """

    def __init__(
        self, model: Any, target_layer: Any = None, batch_size: int = 32, input_shape: tuple[int, ...] = (3, 224, 224)
    ) -> None:
        self.model = model
        self._layers = as_list(target_layer)
        self._models = Models(model, batch_size=batch_size)
        self._input: Any = None
        self._watches = True
        self._handle = model.register_forward_pre_hook(self._watch)
        names = {part: name for name, part in model.named_modules()}
        self.target_names = [names.get(layer, layer) if layer is not None else None for layer in self._layers]

    def _watch(self, _: Any, inputs: tuple[Any, ...]) -> None:
        if self._watches:
            self._input = inputs[0].detach().clone()

    def __call__(self, class_idx: Any = None, scores: Any = None, normalized: bool = True) -> list[Any]:
        """Maps of the input that the model ran on last.

        Parameters
        ----------
        class_idx : int or list of int, optional
            The class, or one per image; the best when None.
        scores : torch.Tensor, optional
            Not needed.
        normalized : bool
            Whether maps are scaled to 0..1.

        Returns
        -------
        list of torch.Tensor
            [N, h, w] per layer.
        """
        import torch

        if self._input is None:
            raise RuntimeError("the model has seen no input; call it on the images first")
        images = singles(self._input)
        wanted = classes(class_idx, len(images))
        options: dict[str, Any] = {} if normalized else {"final": "none"}
        self._watches = False
        try:
            return [
                torch.stack([torch.from_numpy(self._map(layer, *pair, options)) for pair in zip(images, wanted)])
                for layer in self._layers
            ]
        finally:
            self._watches = True

    def _map(self, layer: Any, image: Any, target: Any, options: dict[str, Any]) -> Any:
        return self._models.of(layer, image[None]).explain(image, target, preset="torchcam", **options).map

    def remove_hooks(self) -> None:
        """Stop watching the model."""
        self._handle.remove()

    def __enter__(self) -> ScoreCAM:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove_hooks()
