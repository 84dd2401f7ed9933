"""`LayerScoreCam` as captum would have it; needs captum.

captum has no Score-CAM. This one takes the arguments of its layer attributions, and returns what its `LayerGradCam` does:
[N, 1, h, w] of the layer's size, neither scaled nor, unless asked, rectified.
"""

from __future__ import annotations

from typing import Any

import torch
from captum.attr._utils.attribution import LayerAttribution, PerturbationAttribution

from ._batches import Models, classes, singles


class LayerScoreCam(LayerAttribution, PerturbationAttribution):  # type: ignore[misc]
    """Score-CAM of a layer.

    Parameters
    ----------
    forward_func : torch.nn.Module
        Returns class scores [N, classes].
    layer : torch.nn.Module
        One of its submodules.
    """

    def __init__(self, forward_func: Any, layer: Any, device_ids: list[int] | None = None) -> None:
        LayerAttribution.__init__(self, forward_func, layer, device_ids)
        PerturbationAttribution.__init__(self, forward_func)
        self._models = Models(forward_func)

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        additional_forward_args: Any = None,
        attribute_to_layer_input: bool = False,
        relu_attributions: bool = False,
        attr_dim_summation: bool = True,
        perturbations_per_eval: int = 1,
    ) -> Any:
        """Attributions of a batch.

        Parameters
        ----------
        inputs : torch.Tensor
            [N, C, H, W].
        target : int, tuple, list of int or torch.Tensor, optional
            The class, or one per image; the best when None.
        additional_forward_args : optional
            Further arguments of the module; a tensor has a row per image.
        attribute_to_layer_input : bool
            Must be False.
        relu_attributions : bool
            Whether negative values become 0.
        attr_dim_summation : bool
            Must be True.
        perturbations_per_eval : int
            Images per pass.

        Returns
        -------
        torch.Tensor
            [N, 1, h, w].
        """
        if attribute_to_layer_input or not attr_dim_summation:
            raise NotImplementedError("attributions are of the layer's output, summed over channels; leave both as they are")
        images = inputs[0] if isinstance(inputs, tuple) else inputs
        target = target[0] if isinstance(target, tuple) else target
        maps = []
        for i, (image, wanted) in enumerate(zip(singles(images), classes(target, len(images)))):
            model = self._model(image[None], additional_forward_args, (i, len(images)))
            found = model.explain(
                image,
                wanted,
                batch_size=perturbations_per_eval,
                combine="raw",
                output="layer",
                final="none",
                post_relu=relu_attributions,
            )
            maps.append(torch.from_numpy(found.map))
        return torch.stack(maps)[:, None].to(images.device)

    def _model(self, image: Any, arguments: Any, place: tuple[int, int]) -> Any:
        if arguments is None:
            return self._models.of(self.layer, image)
        every = arguments if isinstance(arguments, tuple) else (arguments,)
        i, count = place
        own = tuple(
            one[i : i + 1] if torch.is_tensor(one) and one.ndim and len(one) == count else one for one in every
        )
        return Models(self.forward_func, arguments=own).of(self.layer, image)
