"""Saliency maps that explain the decisions of any vision model, from forward passes alone: Score-CAM and related
methods.

A model comes from a file (`load_model`), from bytes (`from_bytes`), from a PyTorch or Keras model in memory
(`from_torch`, `from_keras`), from functions of JAX (`from_jax`) or from any function that scores a batch of images
(`from_callable`). `Model.explain` returns the `Explanation` of one image, `Model.explain_many` those of many; `evaluate`
measures the quality of maps.

Examples
--------
>>> import numpy as np
>>> import scorecam
>>> def means(images):
...     return images.mean(axis=(2, 3))
>>> model = scorecam.from_callable(means, (3, 8, 8), activations=lambda images: images)
>>> image = np.zeros((3, 8, 8), dtype=np.float32)
>>> image[1, 2, 5] = 1.0
>>> found = model.explain(image, target=1)
>>> tuple(int(i) for i in np.unravel_index(found.map.argmax(), found.map.shape))
(2, 5)
"""

from __future__ import annotations

from ._engines import from_callable
from ._evaluate import Measurement, Measure, evaluate, measures
from ._explanation import Box, Explanation, Picture, Target
from ._jax import from_jax
from ._keras import from_keras
from ._methods import Backend, Method, MethodOption, backends, load_plugin, methods
from ._model import Explanations, Layer, Model, Progress, from_bytes, load_model
from ._native import __version__ as __version__
from ._torch import from_torch

__all__ = [
    "Backend",
    "Box",
    "Explanation",
    "Explanations",
    "Layer",
    "Measure",
    "Measurement",
    "Method",
    "MethodOption",
    "Model",
    "Picture",
    "Progress",
    "Target",
    "backends",
    "evaluate",
    "from_bytes",
    "from_callable",
    "from_jax",
    "from_keras",
    "from_torch",
    "load_model",
    "load_plugin",
    "measures",
    "methods",
]
