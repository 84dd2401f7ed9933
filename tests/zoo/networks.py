"""Networks with random weights whose activations are sane, and the tensors that practitioners explain in them.

A network fresh from its constructor is a poor test: norms are the identity, layer scales and position
embeddings are near zero and whole branches are silent. So what is constant is drawn anew, the classifier is
scaled until classes differ, and BatchNorm takes its statistics from a few random batches.
"""

import contextlib
import math
import re
import zlib

import numpy as np
import torch_without_cuda  # noqa: F401  (before torch)
import torch
from torch import nn

CALIBRATION_BATCHES = 2


def build(architecture):
    """The network in evaluation mode; the same weights on every call."""
    torch.manual_seed(zlib.crc32(architecture.name.encode()))
    network = create(architecture).eval()
    for module in network.modules():
        redraw(module)
    calibrate(network, architecture.size)
    scale_scores(network, architecture.size)
    return network


def create(architecture):
    if architecture.source == "torchvision":
        import torchvision

        more = {"init_weights": True} if architecture.model in ("googlenet", "inception_v3") else {}
        return getattr(torchvision.models, architecture.model)(weights=None, **more, **architecture.options)
    import timm

    return timm.create_model(architecture.model, pretrained=False, num_classes=1000, **architecture.options)


@contextlib.contextmanager
def plain_attention():
    """Networks built within compute attention as plain products, which every exporter knows."""
    import timm

    fused = timm.layers.use_fused_attn()
    timm.layers.set_fused_attn(False)
    try:
        yield
    finally:
        timm.layers.set_fused_attn(fused)


def redraw(module):
    """Draws the module's own parameters anew where their start says nothing."""
    norm = "norm" in type(module).__name__.lower() or hasattr(module, "running_var")
    for name, parameter in module.named_parameters(recurse=False):
        with torch.no_grad():
            if norm and name == "weight":
                parameter.uniform_(0.5, 1.5)
            elif parameter.numel() and parameter.min() == parameter.max():
                value = parameter.flatten()[0].item()
                if value == 0 and parameter.dim() <= 1 and name not in ("gain", "skipinit_gain", "gamma"):
                    parameter.normal_(0, 0.1)
                elif value == 0 and parameter.dim() > 1:
                    parameter.normal_(0, 0.2)
                else:
                    parameter.uniform_(0.3, 0.9)
            elif name in ("cls_token", "pos_embed", "dist_token", "reg_token"):
                parameter.normal_(0, 0.2)


@torch.no_grad()
def calibrate(network, size):
    """Gives every BatchNorm the statistics of random images."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    usual = [(norm, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for _ in range(CALIBRATION_BATCHES):
        network(torch.randn(4, 3, size, size))
    for norm, momentum in usual:
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def scale_scores(network, size):
    """Scales the last linear layers so that logits are spread by about 1.5."""
    spread = network(torch.randn(2, 3, size, size)).std().item()
    if not math.isfinite(spread):
        raise ValueError("the network's scores are not finite")
    heads = [module for module in network.modules() if classifies(module)]
    for head in heads:
        if spread < 1e-6:
            head.weight.normal_(0, 1 / math.sqrt(head.weight[0].numel()))
        else:
            head.weight.mul_(1.5 / spread)
            if head.bias is not None:
                head.bias.mul_(1.5 / spread)


def classifies(module):
    return isinstance(module, (nn.Linear, nn.Conv2d)) and module.weight.shape[0] == 1000


def image(size):
    """The input that every network of this size is explained on, [3, size, size]."""
    return np.random.default_rng(size).standard_normal((3, size, size)).astype(np.float32)


class Layer:
    """One entry of an architecture's list: where its tensor is found and how it holds maps."""

    def __init__(self, text):
        self.text = text
        path, _, meaning = text.partition(" ")
        self.meaning, _, prefix = (meaning or "maps").partition(":")
        self.prefix = int(prefix or 0)
        path, self.relu = (path[5:-1], True) if path.startswith("relu(") else (path, False)
        match = re.fullmatch(r"(.*?)(>?)(?:\[(\d+)\])?", path)
        self.path, self.takes_input, self.index = match[1], bool(match[2]), match[3]

    def module(self, network):
        module = network
        for part in self.path.split("."):
            if re.fullmatch(r"-\d+", part):
                module = list(module.children())[int(part)]
            else:
                module = getattr(module, part)
        return module

    def maps(self, tensor):
        """The tensor as maps [K, h, w]."""
        if isinstance(tensor, (tuple, list)):
            tensor = tensor[int(self.index or 0)]
        array = tensor.detach().numpy()[0]
        array = np.maximum(array, 0) if self.relu else array
        if self.meaning == "tokens":
            places = array.shape[0] - self.prefix
            side = math.isqrt(places)
            if array.ndim != 2 or side * side != places:
                raise ValueError(f"{self.text}: {array.shape} is not a square of tokens")
            return array[self.prefix :].T.reshape(-1, side, side)
        if array.ndim != 3:
            raise ValueError(f"{self.text}: {array.shape} are not maps")
        return array.transpose(2, 0, 1) if self.meaning == "last" else array


@torch.no_grad()
def wanted_maps(network, architecture):
    """{layer: maps [K, h, w]} of every layer of the list that this network has."""
    found, handles = {}, []
    x = torch.from_numpy(image(architecture.size))[None]
    for layer in map(Layer, architecture.layers):
        if layer.path == "@features":
            if hasattr(network, "forward_features"):
                found[layer.text] = (layer, network.forward_features(x))
            continue
        try:
            module = layer.module(network)
        except (AttributeError, IndexError):
            continue

        def keep(module, inputs, output, layer=layer):
            found[layer.text] = (layer, copied(inputs[0] if layer.takes_input else output))

        handles.append(module.register_forward_hook(keep))
    network(x)
    for handle in handles:
        handle.remove()
    return {text: layer.maps(tensor) for text, (layer, tensor) in found.items()}


def copied(output):
    """Later modules may write over a tensor in place."""
    if isinstance(output, (tuple, list)):
        return [part.clone() for part in output if torch.is_tensor(part)]
    return output.clone()
