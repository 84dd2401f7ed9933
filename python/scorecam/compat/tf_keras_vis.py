"""`Scorecam` as tf-keras-vis has it; needs Keras 3, on any of its backends.

Its maps are that tool's within rounding: float32 [N, H, W]. A model has one input and one output. With `max_N` each
image has channels of its own; that tool takes those of all images of a batch together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._engines import Floats, from_callable
from .._keras import KerasEngine

EPSILON = 1e-7


def relu(cam: Any) -> Any:
    """The map without what is below 0."""
    return np.maximum(cam, 0)


class Scorecam:
    """Score-CAM and Faster Score-CAM of a Keras model.

    Parameters
    ----------
    model : keras.Model
        Returns class scores [N, classes], of which a softmax is taken whatever they are.
    model_modifier : callable or list of callables, optional
        Change the model, or return another one.
    clone : bool
        Whether the model is copied before it is modified.
    """

    def __init__(self, model: Any, model_modifier: Any = None, clone: bool = True) -> None:
        modifiers = [] if model_modifier is None else _listed(model_modifier)
        if modifiers and clone:
            import keras

            copy = keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
            model = copy
        for modify in modifiers:
            model = modify(model) or model
        self.model = model

    def __call__(
        self,
        score: Any,
        seed_input: Any,
        penultimate_layer: Any = None,
        seek_penultimate_conv_layer: bool = True,
        activation_modifier: Callable[[Any], Any] | None = relu,
        batch_size: int = 32,
        max_N: int | None = None,
        training: bool = False,
        expand_cam: bool = True,
        normalize_cam: bool = True,
    ) -> npt.NDArray[np.float32]:
        """Maps of a batch.

        Parameters
        ----------
        score : callable or list of one
            The score of each image from the softmax [N, classes]: `CategoricalScore`, or any function.
        seed_input : numpy.ndarray or tensor
            Images [N, H, W, C], or one [H, W, C].
        penultimate_layer : int, str or keras.layers.Layer, optional
            The layer; the last one when None.
        seek_penultimate_conv_layer : bool
            Whether the last convolution up to that layer takes its place.
        activation_modifier : callable, optional
            Changes a map [1, h, w] of the layer's size; none does when None.
        batch_size : int
            Images per pass.
        max_N : int, optional
            How many channels take part, those with the greatest deviation; all when None or 0.
        training : bool
            Must be False.
        expand_cam : bool
            Whether maps are resized to the input's size.
        normalize_cam : bool
            Whether maps are scaled to 0..1.

        Returns
        -------
        numpy.ndarray
            float32 [N, H, W], or [N, h, w] of the layer's size.
        """
        if training:
            raise NotImplementedError("maps are made of a model in inference mode; give training=False")
        scores = _listed(score)
        if len(scores) != 1 or not callable(scores[0]):
            raise ValueError(f"score has {len(scores)} entries; give one function for the model's one output")
        engine = KerasEngine(self.model, batch_size)
        images = _images_of(seed_input, len(self.model.inputs[0].shape))
        layer = self._layer(penultimate_layer, seek_penultimate_conv_layer).name
        if layer not in {one["name"] for one in engine.info["layers"]}:
            raise ValueError(f"layer {layer!r} has no maps; give a convolution, or seek_penultimate_conv_layer=True")
        maps = [self._map(engine, layer, (image, i, len(images)), scores[0], max_N) for i, image in enumerate(images)]
        found = np.stack([_modified(one, activation_modifier) for one in maps])
        if expand_cam:
            found = _resized(found, images.shape[1:3])
        return _scaled(found) if normalize_cam else found

    def _map(self, engine: KerasEngine, layer: str, of: tuple[Floats, int, int], score: Any, most: int | None) -> Floats:
        """The plain weighted sum of a layer's maps, for image `place` of `count`."""
        image, place, count = of
        model = from_callable(
            lambda batch: _values(score, engine.forward(batch, ["output"])[0], place, count),
            engine.info["input"],
            activations=lambda batch: engine.forward(batch, [layer])[0],
            batch_size=engine.info["batch_size"],
            manifest={"output": {"kind": "value"}},
        )
        options: dict[str, Any] = {"post_relu": "false", "final": "none", "output": "layer"}
        if most is not None and most > 0:
            options.update(select="std", select_count=most)
        return model.explain(np.ascontiguousarray(image.transpose(2, 0, 1)), "value", preset="tf-keras-vis", **options).map

    def _layer(self, given: Any, seek: bool) -> Any:
        """The layer that is meant."""
        import keras

        layers = list(self.model.layers)
        if given is None or isinstance(given, int):
            place = -1 if given is None else given
            if not -len(layers) <= place < len(layers):
                raise ValueError(f"penultimate_layer is {place}; the model has {len(layers)} layers")
            given = layers[place]
        elif isinstance(given, str):
            given = self.model.get_layer(given)
        if not seek:
            return given
        convolutions = tuple(getattr(keras.layers, f"{kind}{n}D") for kind in ("Conv", "SeparableConv") for n in (1, 2))
        convolutions += (keras.layers.Conv3D, keras.layers.Conv2DTranspose, keras.layers.DepthwiseConv2D)
        for layer in reversed(layers[: layers.index(given) + 1]):
            if isinstance(layer, convolutions):
                return layer
        raise ValueError(f"no convolution is at or before layer {given.name!r}; name one, with seek_penultimate_conv_layer=False")


ScoreCAM = Scorecam


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _images_of(seed_input: Any, rank: int) -> Floats:
    inputs = _listed(seed_input)
    if len(inputs) != 1:
        raise ValueError(f"{len(inputs)} inputs were given; the model takes one")
    images = np.asarray(inputs[0], dtype=np.float32)
    images = images[None] if images.ndim == rank - 1 else images
    if images.ndim != rank:
        raise ValueError(f"seed_input has shape {list(images.shape)}; give images [N, H, W, C]")
    return images


def _values(score: Any, outputs: Floats, place: int, count: int) -> Floats:
    """The score [N, 1] of each row of the model's outputs, as that of image `place` of a batch of `count`."""
    import keras

    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    rows = powers / powers.sum(axis=1, keepdims=True)
    found = []
    for row in rows:
        each = score(keras.ops.convert_to_tensor(np.repeat(row[None], count, axis=0)))
        each = each if isinstance(each, (list, tuple)) else np.atleast_1d(keras.ops.convert_to_numpy(each))
        if len(each) != count:
            raise ValueError(f"the score function gave {len(each)} values for {count} images; it must give one for each")
        found.append(np.mean(keras.ops.convert_to_numpy(each[place]), dtype=np.float32))
    return np.array(found, dtype=np.float32)[:, None]


def _modified(cam: Floats, modifier: Callable[[Any], Any] | None) -> Floats:
    if modifier is None:
        return cam
    import keras

    return np.asarray(keras.ops.convert_to_numpy(modifier(cam[None])), dtype=np.float32)[0]


def _resized(cams: Floats, size: tuple[int, ...]) -> Floats:
    """Maps [N, h, w] at another size, corners on corners."""
    rows, columns = (_matrix(before, after) for before, after in zip(cams.shape[1:], size))
    return np.asarray(rows @ cams @ columns.T, dtype=np.float32)


def _matrix(before: int, after: int) -> npt.NDArray[np.float64]:
    """The [after, before] matrix that resizes one axis."""
    at = np.linspace(0, before - 1, after)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(before)), 0)


def _scaled(cams: Floats) -> Floats:
    least, most = cams.min(axis=(1, 2), keepdims=True), cams.max(axis=(1, 2), keepdims=True)
    return np.asarray((cams - least) / (most - least + EPSILON), dtype=np.float32)
