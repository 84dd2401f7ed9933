"""Score-CAM as its authors compute it, as a plain loop over PyTorch: what somebody writes who needs no tool.

The map is that of the preset `official`. With `batch=1` each mask is scored by a pass of its own, as in the
authors' code, and with more it is the strongest loop that still is a loop: masks that are flat cost no pass.
Nothing is kept for a gradient.
"""

import torch
import torch.nn.functional as F


@torch.inference_mode()
def score_cam(network, layer, image, target, batch=1):
    """The map [H, W] in 0 to 1 for class `target` on an image [1, 3, H, W]."""
    maps = activation(network, layer, image)[0]
    total = torch.zeros(image.shape[-2:], device=image.device)
    for start in range(0, len(maps), batch):
        chunk = maps[start : start + batch, None]
        large = F.interpolate(chunk, size=image.shape[-2:], mode="bilinear", align_corners=False)
        low, high = large.amin((1, 2, 3), keepdim=True), large.amax((1, 2, 3), keepdim=True)
        live = (low != high).flatten()
        if not live.any():
            continue
        large, low, high = large[live], low[live], high[live]
        outputs = network(image * ((large - low) / (high - low)))
        weights = outputs.softmax(1)[:, target]
        total += (weights[:, None, None] * large[:, 0]).sum(0)
    return normalized(total.relu())


@torch.inference_mode()
def activation(network, layer, image):
    """What the layer gives for the image, [1, K, h, w]."""
    seen = []
    hook = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone()))
    network(image)
    hook.remove()
    return seen[0]


def normalized(values):
    values = values - values.min()
    top = values.max()
    return values / top if top > 0 else values
