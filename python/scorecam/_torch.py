"""`from_torch`: a PyTorch module in memory as a model.

Layers are the module's own submodules. Their tensors are taken by forward hooks, which are removed after each pass; the
module is in eval mode for a pass and has its own modes back afterwards. What several threads do with one module happens
one pass at a time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import _native
from ._engines import Engine, Floats, check_shape, preprocessing
from ._model import Model

# Operators whose 4-D tensors are [N, K, h, w] whatever their input.
OF_MAPS = (
    "Conv2d", "ConvTranspose2d", "BatchNorm2d", "SyncBatchNorm", "InstanceNorm2d", "MaxPool2d", "AvgPool2d",
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "LPPool2d", "Dropout2d", "PixelShuffle", "PixelUnshuffle",
    "LocalResponseNorm", "ZeroPad2d", "ReflectionPad2d", "ReplicationPad2d", "UpsamplingBilinear2d",
)  # fmt: skip
# Images per pass on an accelerator. On a CPU as many as have this many pixels: more of them leave its caches, which costs
# time (ResNet-18 at 224 x 224 takes 5 % more for each image of 16 than of 8, and 12 % more of 32) and memory.
PREFERRED = 64
PIXELS, LEAST, MOST = 8 * 224 * 224, 4, 10

_locks: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_locks_lock = threading.Lock()


def lock_of(module: Any) -> threading.RLock:
    """The lock of a module, whichever models were made of it."""
    with _locks_lock:
        return _locks.setdefault(module, threading.RLock())


@contextlib.contextmanager
def in_eval_mode(module: Any) -> Iterator[None]:
    """The module in eval mode, and every submodule in its own mode again afterwards."""
    modes = [(part, part.training) for part in module.modules() if part.training]
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, mode in modes:
            part.training = mode


class TorchEngine(Engine):
    """An engine over a module, its layers and its tensors."""

    def __init__(
        self,
        module: Any,
        example: Any,
        output: Callable[[Any], Any] | None,
        batch_size: int | None,
        arguments: Sequence[Any] = (),
    ) -> None:
        import torch

        self._torch = torch
        self._module = module
        self._output = output
        self._arguments = tuple(arguments)
        self._lock = lock_of(module)
        self._names = {name: part for name, part in module.named_modules() if name}
        first = next(iter(module.parameters()), None)
        self._device = first.device if first is not None else torch.device("cpu")
        self._dtype = first.dtype if first is not None and first.is_floating_point() else torch.float32
        self._runs: dict[str, int] = {}
        preferred = images_per_pass(example.shape[2:]) if self._device.type == "cpu" else PREFERRED
        with self._lock, torch.no_grad(), in_eval_mode(module):
            layers, outputs = self._look(example.to(self._device, self._dtype))
        self.info = {
            "input": list(example.shape[1:]),
            "outputs": outputs,
            "layers": layers,
            "batch_size": batch_size or preferred,
            "fixed_batch": False,
            "masked": makes_masks(self._device),
            "run_from": True,
            "gradients": True,
        }
        self._pass_over_unread(layers, example, outputs)

    def _pass_over_unread(
        self, layers: list[dict[str, Any]], example: Any, outputs: list[tuple[str, list[int]]]
    ) -> None:
        """Prefers no layer of which few tokens reach the scores, as behind the last attention of many a ViT."""
        images = self._floats(example)
        # No two values weigh the same: those of a softmax have a sum that never changes.
        name, shape = outputs[0]
        cotangents = [(name, np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(1, *shape))]
        for layer in reversed(layers):
            if len(layer["shape"]) != 2 or not shape:
                return
            try:
                read = self.gradients(images, layer["name"], cotangents)[0] != 0
            except RuntimeError:
                # A module of which there is no derivative: then nothing is known of what it reads.
                return
            # Tokens may be either axis. Where the scores read none, nothing is known.
            if not read.any() or min(read.any(axis=1).mean(), read.any(axis=0).mean()) >= 0.5:
                return
            layer["preference"] = 0

    def _look(self, example: Any) -> tuple[list[dict[str, Any]], list[tuple[str, list[int]]]]:
        """A pass on an example: which layers run, and what they and the module return."""
        seen: dict[str, dict[str, Any]] = {}
        known: dict[tuple[int, ...], bool] = {}

        def look(name: str) -> Callable[[Any, Any, Any], None]:
            def hook(part: Any, _: Any, found: Any) -> None:
                self._runs[name] = self._runs.get(name, 0) + 1
                if not self._torch.is_tensor(found) or found.ndim < 3 or len(found) != len(example):
                    return
                seen.pop(name, None)
                seen[name] = self._layer(name, part, found, known)

            return hook

        with self._hooked([(name, look(name)) for name in self._names]):
            outputs = self._outputs(self._call(example))
        for rank, layer in enumerate(seen.values()):
            # Projections of tokens are what attention works with, and come last.
            projects = layer["operator"] == "Linear" and len(layer["shape"]) == 2
            layer["preference"] = rank + 1 + (0 if projects else len(seen))
        shapes = [(name, list(tensor.shape[1:])) for name, tensor in outputs.items()]
        for name, tensor in outputs.items():
            if tensor.ndim == 0 or len(tensor) != len(example):
                raise ValueError(
                    f"{type(self._module).__name__} gives {name} of shape {list(tensor.shape)} for {len(example)} image; "
                    "give output=, a function that picks a tensor with a row per image"
                )
        return list(seen.values()), shapes

    def _layer(self, name: str, part: Any, found: Any, known: dict[tuple[int, ...], bool]) -> dict[str, Any]:
        """What is known of a layer. Elementwise operators keep the form of a tensor of the same shape."""
        kind = type(part).__name__
        shape = tuple(found.shape)
        is_leaf = next(iter(part.children()), None) is None
        if kind in OF_MAPS:
            known[shape] = True
        elif is_leaf and kind in ("LayerNorm", "Linear", "Permute"):
            known[shape] = False
        maps = found.ndim == 4 and known.get(shape, False)
        return {"name": name, "operator": kind, "shape": list(shape[1:]), "maps": maps, "preference": 0}

    def _outputs(self, found: Any) -> dict[str, Any]:
        """What the module returned, by names."""
        kind = type(self._module).__name__
        if self._output is not None:
            found = self._output(found)
        if self._torch.is_tensor(found):
            return {"output": found}
        if isinstance(found, Mapping):
            keys = ", ".join(repr(key) for key in found)
            raise TypeError(f"{kind} returns a dict with {keys}; give output=, a function that picks the tensor of scores")
        if isinstance(found, (list, tuple)) and found and all(self._torch.is_tensor(one) for one in found):
            return {f"output{i}": one for i, one in enumerate(found)}
        raise TypeError(f"{kind} returns {type(found).__name__}; give output=, a function that picks the tensor of scores")

    @contextlib.contextmanager
    def _hooked(self, hooks: Sequence[tuple[str, Callable[[Any, Any, Any], Any]]]) -> Iterator[None]:
        handles = [self._names[name].register_forward_hook(hook) for name, hook in hooks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _last(self, name: str, use: Callable[[Any], Any]) -> tuple[str, Callable[[Any, Any, Any], Any]]:
        """A hook that calls `use` with a layer's tensor, the last time that the layer runs in a pass."""
        left = self._runs[name]

        def hook(_: Any, __: Any, found: Any) -> Any:
            nonlocal left
            left -= 1
            return use(found) if left == 0 else None

        return name, hook

    def _call(self, images: Any) -> Any:
        """The module on a batch, with further arguments: a tensor [1, ...] is repeated for each image."""
        tensor = self._torch.is_tensor
        return self._module(
            images,
            *(
                one.to(self._device).expand(len(images), *one.shape[1:]) if tensor(one) and one.ndim else one
                for one in self._arguments
            ),
        )

    def _tensor(self, values: Floats) -> Any:
        return self._torch.from_numpy(values).to(self._device, self._dtype)

    def _floats(self, tensor: Any) -> Floats:
        values: Floats = tensor.detach().to("cpu", self._torch.float32).contiguous().numpy()
        return values

    def _run(self, images: Any, wanted: Sequence[str], hooks: list[tuple[str, Any]]) -> dict[str, Any]:
        taken: dict[str, Any] = {}

        def take(name: str) -> tuple[str, Any]:
            def keep(found: Any) -> None:
                # A copy: the operator behind may work in place.
                taken[name] = found.detach().clone()

            return self._last(name, keep)

        layers = [take(name) for name in dict.fromkeys(wanted) if name in self._names]
        with self._hooked(hooks + layers):
            outputs = self._outputs(self._call(images))
        return {**taken, **outputs}

    def forward(self, images: Floats, wanted: Sequence[str]) -> list[Floats]:
        with self._lock, self._torch.no_grad(), in_eval_mode(self._module):
            found = self._run(self._tensor(images), wanted, [])
        return [self._floats(found[name]) for name in wanted]

    def masks(self, images: Floats, fill: Floats | None, rows: Floats, columns: Floats) -> Any:
        return TorchMasks(self, images, fill, (rows, columns))

    def cuts(self, images: Floats, fill: Floats | None, ranks: Floats) -> Any:
        return TorchMasks(self, images, fill, (ranks,))

    def run_on(self, images: Any, wanted: Sequence[str]) -> list[Floats]:
        """What is wanted of images that are on the device already."""
        with self._lock, self._torch.no_grad(), in_eval_mode(self._module):
            found = self._run(images.to(self._dtype), wanted, [])
        return [self._floats(found[name]) for name in wanted]

    def on_device(self, values: Floats) -> Any:
        """Numbers on the device, in float32 whatever the module's precision."""
        return self._torch.from_numpy(values).to(self._device)

    def run_from(self, images: Floats, layer: str, activations: Floats, wanted: Sequence[str]) -> list[Floats]:
        changed = self._tensor(activations)
        with self._lock, self._torch.no_grad(), in_eval_mode(self._module):
            repeated = self._tensor(images).expand(len(changed), -1, -1, -1).contiguous()
            found = self._run(repeated, wanted, [self._last(layer, lambda _: changed)])
        return [self._floats(found[name]) for name in wanted]

    def gradients(self, images: Floats, layer: str, cotangents: Sequence[tuple[str, Floats]]) -> Floats:
        torch = self._torch
        leaf: Any = None

        def begin(found: Any) -> Any:
            # The graph begins here, so nothing before the layer is kept; a copy may be worked on in place.
            nonlocal leaf
            leaf = found.detach().requires_grad_(True)
            return leaf.clone()

        with self._lock, torch.enable_grad(), in_eval_mode(self._module):
            outputs = self._run(self._tensor(images), [], [self._last(layer, begin)])
            used = [(outputs[name], self._tensor(values)) for name, values in cotangents if outputs[name].requires_grad]
            if not used:
                return np.zeros(tuple(leaf.shape), dtype=np.float32)
            (found,) = torch.autograd.grad(
                [tensor for tensor, _ in used], [leaf], [values for _, values in used], allow_unused=True
            )
        return np.zeros(tuple(leaf.shape), dtype=np.float32) if found is None else self._floats(found)


def images_per_pass(sides: Sequence[int]) -> int:
    """Images [H, W] per pass on a CPU."""
    return min(max(PIXELS // (sides[0] * sides[1]), LEAST), MOST)


def makes_masks(device: Any) -> bool:
    """Whether masked images are made on the module's own device; a CPU gains nothing by it."""
    return bool(device.type != "cpu")


class TorchMasks:
    """Masked images of one request, made on the module's device."""

    def __init__(self, engine: TorchEngine, images: Floats, fill: Floats | None, shapes: tuple[Floats, ...]) -> None:
        self._engine = engine
        self._images = engine.on_device(images)
        self._fill = None if fill is None else engine.on_device(fill)
        self._shapes = [engine.on_device(one) for one in shapes]

    def run(self, masks: Any, of: Sequence[int], wanted: Sequence[str]) -> list[Floats]:
        """What is wanted of a batch: of small masks [n, h, w], or of cuts (map, count) of rank maps."""
        if len(self._shapes) == 2:
            rows, columns = self._shapes
            spread = (rows @ self._engine.on_device(masks) @ columns.T)[:, None]
        else:
            (ranks,) = self._shapes
            counts = self._engine.on_device(np.array([count for _, count in masks], dtype=np.float32))
            spread = (ranks[[place for place, _ in masks]] >= counts[:, None, None]).to(ranks.dtype)[:, None]
        alone = len(self._images) == 1
        images = self._images if alone else self._images[list(of)]
        batch = spread * images
        if self._fill is not None:
            batch += (1 - spread) * (self._fill if alone else self._fill[list(of)])
        return self._engine.run_on(batch, wanted)


def from_torch(
    module: Any,
    input_shape: Sequence[int] | None = None,
    *,
    example: Any = None,
    layer: Any = None,
    output: Callable[[Any], Any] | None = None,
    arguments: Sequence[Any] = (),
    batch_size: int | None = None,
    labels: Sequence[str] | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Model:
    """Explain a PyTorch module as it is in memory.

    The module stays on its device, in its precision and its memory format: convolutions of many a CPU take a tenth less
    time after `module.to(memory_format=torch.channels_last)`. It runs in eval mode, and has its own modes back after each
    pass; hooks are removed after each pass, too. Gradients need no parameters that require them.

    Parameters
    ----------
    module : torch.nn.Module
        Returns class scores [N, classes] for images [N, C, H, W], or several tensors with a row per image.
    input_shape : tuple of int, optional
        (channels, height, width); that of `example` when None.
    example : torch.Tensor, optional
        An image [C, H, W] or [1, C, H, W] for the pass that looks at the module's layers; zeros when None.
    layer : str or torch.nn.Module, optional
        The submodule to explain; the last one whose every cell reaches the scores when None.
    output : callable, optional
        Picks the tensor of scores from what the module returns, such as `lambda found: found["logits"]`.
    arguments : list, optional
        What the module takes behind the images; a tensor [1, ...] is repeated for each image.
    batch_size : int, optional
        Images per pass when a call does not say: on a CPU 8 of 224 x 224 and 4 to 10 of other sizes, else 64.
    labels : list of str or path, optional
        The names of the classes.
    mean, std : list of float, optional
        What photos are normalized by, per channel, in units of pixel * scale.
    scale : float, optional
        The factor of pixels, 1/255 when None.
    manifest : path or dict, optional
        Everything else that a model's manifest says.

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        `module` is none, or returns something else than tensors.
    LookupError
        There is no such layer, or it did not run.

    Examples
    --------
    >>> import torch, scorecam  # doctest: +SKIP
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    ...     torch.nn.Flatten(), torch.nn.Linear(8, 5))  # doctest: +SKIP
    >>> model = scorecam.from_torch(module, (3, 32, 32), layer="1")  # doctest: +SKIP
    >>> model.explain(torch.rand(3, 32, 32)).map.shape  # doctest: +SKIP
    (32, 32)
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"{type(module).__name__} is no torch.nn.Module; from_callable takes functions")
    if example is None:
        if input_shape is None:
            raise ValueError("the shape of the input is not known; give input_shape=(3, 224, 224) or example=")
        example = torch.zeros(1, *check_shape(input_shape))
    elif example.ndim == 3:
        example = example[None]
    if example.ndim != 4:
        raise ValueError(f"the example has shape {list(example.shape)}; give an image [C, H, W]")
    engine = TorchEngine(module, example[:1], output, batch_size, arguments)
    name = layer_name(module, layer, engine)
    return Model(_native.Model.from_engine(engine, preprocessing(manifest, labels, mean, std, scale, name)))


def layer_name(module: Any, layer: Any, engine: TorchEngine) -> str | None:
    """The name of a layer that is given by name or as the submodule itself."""
    if layer is None:
        return None
    names = {part: name for name, part in module.named_modules()}
    kind = type(module).__name__
    if not isinstance(layer, str):
        if layer not in names:
            raise LookupError(f"the layer, a {type(layer).__name__}, is no part of {kind}; give one of its submodules")
        layer = names[layer]
    listed = [one["name"] for one in engine.info["layers"]]
    if layer in listed:
        return str(layer)
    there = ", ".join(listed[-8:]) or "none"
    if layer not in names.values():
        raise LookupError(f"layer {layer!r} is no submodule of {kind}; the last layers with maps are {there}")
    raise LookupError(f"layer {layer!r} gave no tensor of maps when {kind} ran; the last layers that did are {there}")
