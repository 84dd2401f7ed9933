"""The quality of maps, measured with the model's own scores and the locations of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _images, _native, _request
from ._explanation import Explanation
from ._model import Model, ProgressLike, _reporter


@dataclass(frozen=True)
class Measure:
    """A measure of a map.

    Attributes
    ----------
    name : str
        The name for `evaluate`.
    summary : str
        A description in one line.
    higher_is_better : bool or None
        Whether higher is better; None if neither direction is.
    needs : str
        "nothing", "passes", "explanations" or "truth".
    """

    name: str
    summary: str
    higher_is_better: bool | None
    needs: str


@dataclass(frozen=True)
class Measurement:
    """The measurements of a map.

    Attributes
    ----------
    values : dict of str to float
        The measures by name, without those that have no value for this map (no truth, a flat map).
    deletion, insertion : tuple of numpy.ndarray or None
        The points of a curve: the number of changed pixels, and the score.
    score : float
        The target's score on the image.
    passes : int
        The number of passes for all maps together.
    """

    values: dict[str, float]
    deletion: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]] | None
    insertion: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]] | None
    score: float
    passes: int

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def measures() -> list[Measure]:
    """List the measures.

    Returns
    -------
    list of Measure
        In the order of tables.

    Examples
    --------
    >>> import scorecam
    >>> [m.name for m in scorecam.measures() if m.needs == "nothing"]
    ['complexity', 'entropy', 'gini']
    """
    return [Measure(*found) for found in _native.measures()]


def evaluate(
    model: Model,
    image: Any,
    maps: Any,
    *,
    target: Any = None,
    measures: Sequence[str] = (),
    protocol: str = "paper",
    boxes: Sequence[Any] = (),
    mask: Any = None,
    batch_size: int | None = None,
    progress: ProgressLike = False,
    **options: Any,
) -> dict[str, Measurement]:
    """Measure the quality of maps of one decision.

    All maps share the passes of one image, so several cost little more than one.

    Parameters
    ----------
    model : Model
        The model whose decision the maps explain.
    image : image
        The image, as in `Model.explain`.
    maps : dict, Explanation or array
        Maps by name: explanations, or arrays [H, W] of any tool. A single map gets the name "map".
    target : int or str, optional
        The target of the maps; None for that of the first explanation among them, or else the top class.
    measures : list of str
        Names of `measures`; the default is drop, increase, both curves and all measures based on a truth.
    protocol : str
        A published set of settings: "paper", "rise", "torchcam", "pytorch-grad-cam", "openvino-xai", "xplique".
    boxes : list of (x0, y0, x1, y1)
        The boxes of the object, in pixels of the photo.
    mask : image, optional
        A picture of the photo's size that is white on the object.
    batch_size : int, optional
        Images per pass.
    progress : bool or callable
        As in `Model.explain`.
    **options
        Settings that override the protocol's: score, mask_, drop, points, deletion, insertion, ties, area.

    Returns
    -------
    dict of str to Measurement
        By the names of the maps.

    Examples
    --------
    >>> import numpy as np, scorecam
    >>> model = scorecam.from_callable(
    ...     lambda images: 50 * images.mean(axis=(2, 3)), (3, 8, 8), activations=lambda images: images
    ... )
    >>> image = np.zeros((3, 8, 8), dtype=np.float32)
    >>> image[0, 2:4, 2:4] = 1.0
    >>> found = scorecam.evaluate(model, image, model.explain(image), boxes=[(2, 2, 4, 4)])
    >>> round(found["map"]["energy"], 3), found["map"]["pointing"]
    (1.0, 1.0)
    """
    named = _named(maps)
    explained = [one for one in named.values() if isinstance(one, Explanation)]
    native = _images.image(image)
    question = {
        "target": _target(model, native, target, explained),
        "measures": list(measures),
        "protocol": protocol,
        "options": [(name.rstrip("_"), _request.word(value)) for name, value in options.items()],
        "boxes": [tuple(float(side) for side in box) for box in boxes],
        "mask": None if mask is None else _images.image(mask),
        "made": [one._wanted if isinstance(one, Explanation) else None for one in named.values()],
        "batch_size": batch_size,
    }
    stacked = _stacked([one.map if isinstance(one, Explanation) else one for one in named.values()])
    with _reporter(progress) as report:
        score, passes, found = model._native.evaluate(native, stacked, question, report)
    return {
        name: Measurement(dict(values), _curve(deletion), _curve(insertion), score, passes)
        for name, (values, deletion, insertion) in zip(named, found)
    }


def _named(maps: Any) -> dict[str, Any]:
    named = dict(maps) if isinstance(maps, Mapping) else {"map": maps}
    if not named:
        raise ValueError("no map was given; give an explanation, an array [H, W], or a dict of these")
    return named


def _target(model: Model, image: _native.Image, target: Any, explained: list[Explanation]) -> str:
    if target is None and explained:
        return explained[0].target.text
    if target is None:
        return f"class:{int(np.argmax(model._native.classify(image)[0]))}"
    words = _request.asked(target)
    if len(words) != 1:
        raise ValueError(f"{len(words)} targets were given; maps explain one")
    return words[0]


def _stacked(maps: list[Any]) -> npt.NDArray[np.float32]:
    arrays = [np.ascontiguousarray(_images.array(one), dtype=np.float32) for one in maps]
    for one in arrays:
        if one.ndim != 2 or one.shape != arrays[0].shape:
            shapes = ", ".join(str(list(each.shape)) for each in arrays)
            raise ValueError(f"the maps have shapes {shapes}; give maps [H, W] of one size")
    return np.stack(arrays)


def _curve(found: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]] | None:
    return None if found is None else (np.array(found[0]), np.array(found[1]))


