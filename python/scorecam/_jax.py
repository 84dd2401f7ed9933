"""`from_jax`: functions of JAX as a model, compiled, with gradients where the network can be run from a layer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import _native
from ._engines import CallableEngine, Floats, Function, check_shape, floats, named, preprocessing
from ._model import Model

LAYOUTS = ("NCHW", "NHWC")


class JaxEngine(CallableEngine):
    """An engine over compiled functions of arrays [N, C, H, W]."""

    def gradients(self, images: Floats, layer: str, cotangents: Sequence[tuple[str, Floats]]) -> Floats:
        import jax

        outputs, back = jax.vjp(self._run_from[layer], self._activations[layer](images))
        values = sum((values for _, values in cotangents), np.zeros(outputs.shape, np.float32))
        (slopes,) = back(jax.numpy.asarray(values, outputs.dtype))
        return floats(slopes)


def from_jax(
    function: Function,
    input_shape: Sequence[int],
    *,
    activations: Function | Mapping[str, Function] | None = None,
    run_from: Function | Mapping[str, Function] | None = None,
    layout: str = "NCHW",
    batch_size: int = 16,
    labels: Sequence[str] | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    layer: str | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Model:
    """Explain a network of JAX: a function of a batch of images, with its parameters bound.

    The functions are compiled by `jax.jit`, once for each size of batch.

    Parameters
    ----------
    function : callable
        The class scores [N, classes] of a batch of images, such as `functools.partial(network.apply, parameters)`.
    input_shape : tuple of int
        (channels, height, width), whatever the layout.
    activations : callable or dict of callables, optional
        The activation maps of a batch, or functions for several layers by name.
    run_from : callable or dict of callables, optional
        The scores of activations. With it the methods that run a network from its layer and those by gradients are there.
    layout : str
        "NCHW" or "NHWC": how images lie, and activation maps.
    batch_size, labels, mean, std, scale, layer, manifest
        As `from_callable` takes them.

    Returns
    -------
    Model
        Its images are [C, H, W] in any layout.

    Raises
    ------
    ValueError
        There is no such layout.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np, scorecam  # doctest: +SKIP
    >>> model = scorecam.from_jax(
    ...     lambda images: 9 * images.mean(axis=(1, 2)), (3, 8, 8), layout="NHWC",
    ...     activations=lambda images: images, run_from=lambda maps: 9 * maps.mean(axis=(1, 2)),
    ... )  # doctest: +SKIP
    >>> model.explain(np.eye(8, dtype=np.float32)[None].repeat(3, 0), 0, "grad-cam").map.shape  # doctest: +SKIP
    (8, 8)
    """
    import jax

    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; give 'NCHW' or 'NHWC'")
    last = layout == "NHWC"

    def compiled(inner: Function, to_maps: Callable[[Any], Any]) -> Function:
        def call(values: Any) -> Any:
            return to_maps(inner(values.transpose(0, 2, 3, 1) if last else values))

        return jax.jit(call)

    def maps(found: Any) -> Any:
        return found.transpose(0, 3, 1, 2) if last and found.ndim == 4 else found

    engine = JaxEngine(
        compiled(function, lambda found: found),
        check_shape(input_shape),
        {name: compiled(inner, maps) for name, inner in named(activations).items()},
        {name: compiled(inner, lambda found: found) for name, inner in named(run_from).items()},
        batch_size,
    )
    engine.info["gradients"] = engine.info["run_from"]
    return Model(_native.Model.from_engine(engine, preprocessing(manifest, labels, mean, std, scale, layer)))
