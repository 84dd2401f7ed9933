"""`Explanation`: maps with their data, and ways to display them."""

from __future__ import annotations

import base64
import functools
import html
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _images, _native

SHOWN_IN_HTML = 8


@dataclass(frozen=True)
class Box:
    """A box in pixels of the explained photo, or of the input if a tensor was explained.

    Attributes
    ----------
    x0, y0, x1, y1 : float
        The left, top, right and bottom edges.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __iter__(self) -> Any:
        return iter((self.x0, self.y0, self.x1, self.y1))


@dataclass(frozen=True)
class Target:
    """An explained target.

    Attributes
    ----------
    text : str
        The target as text: "class:285", "box:0".
    index : int or None
        The class, if it has one.
    label : str or None
        The class's label, if the model has labels.
    score : float
        The probability of a class on the unmasked image; for any other target, its value.
    output : float
        The model's raw output for a class; for any other target, its value.
    box : Box or None
        The box of the detection.
    box_score : float or None
        The detector's score of the box.
    """

    text: str
    index: int | None
    label: str | None
    score: float
    output: float
    box: Box | None = None
    box_score: float | None = None

    def __str__(self) -> str:
        return self.label or self.text


class Picture:
    """An RGB picture, which notebooks display.

    `numpy.asarray(picture)` returns its pixels, uint8 [H, W, 3].

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8 [H, W, 3].
    """

    def __init__(self, pixels: npt.NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        pixels: npt.NDArray[Any] = self.pixels if dtype is None else self.pixels.astype(dtype)
        return pixels.copy() if copy else pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in Pillow's order."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, in the format of its extension.

        Parameters
        ----------
        path : path
            A path with the extension ".png", ".jpg" or that of another picture format.
        """
        text = os.fsdecode(path)
        content = _native.encoded(self.pixels, os.path.splitext(text)[1].lstrip(".").lower())
        with open(text, "wb") as file:
            file.write(content)

    def to_pil(self) -> Any:
        """The same as a PIL image.

        Returns
        -------
        PIL.Image.Image
        """
        from PIL import Image

        return Image.fromarray(self.pixels)

    def _repr_png_(self) -> bytes:
        return _native.encoded(self.pixels, "png")

    def __repr__(self) -> str:
        return f"Picture({self.size[0]} x {self.size[1]})"


class Explanation:
    """Saliency maps of one image.

    The result of `Model.explain`. It is independent of the model and the image file, and notebooks display it.
    """

    def __init__(self, found: _native.Explanation, image: _native.Image, wanted: dict[str, Any]) -> None:
        self._found = found
        self._image = image
        self._wanted = wanted

    @functools.cached_property
    def maps(self) -> npt.NDArray[np.float32]:
        """All maps, float32 [targets, H, W], usually from 0 to 1. TimeoutError if the time limit expired first."""
        return self._found.maps()

    @property
    def map(self) -> npt.NDArray[np.float32]:
        """The map of the first target, float32 [H, W], at the size of the model's input."""
        first: npt.NDArray[np.float32] = self.maps[0]
        return first

    @functools.cached_property
    def errors(self) -> npt.NDArray[np.float32] | None:
        """The standard error of each value in `maps`, if the method estimates it."""
        return self._found.errors()

    @functools.cached_property
    def targets(self) -> tuple[Target, ...]:
        """The explained targets, in the order of the maps."""
        return tuple(
            Target(**{**target, "box": Box(*target["box"]) if target["box"] else None})
            for target in self._found.targets()
        )

    @property
    def target(self) -> Target:
        """The first target."""
        return self.targets[0]

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """The score of each target on the unmasked image."""
        return np.array([target.score for target in self.targets])

    @property
    def layer(self) -> str:
        """The target layer; empty if the method needs none."""
        return self._found.layer

    @property
    def passes(self) -> int:
        """The number of images that the model has run, including the unmasked one."""
        return self._found.passes

    @property
    def measures(self) -> dict[str, float]:
        """The measures that the method reports, by name."""
        return dict(self._found.measures)

    @property
    def warnings(self) -> list[str]:
        """Warnings for the user, one line each."""
        return self._found.warnings

    @property
    def late(self) -> str | None:
        """The reason for missing maps, if the time limit expired before the method had any; else None."""
        return self._found.late

    def boxes(
        self, target: int = 0, *, threshold: float = 0.15, above: str = "at-least", areas: str = "largest"
    ) -> list[Box]:
        """The boxes around the high values of a map.

        Parameters
        ----------
        target : int
            The number of the target, from 0.
        threshold : float
            The minimum value of a pixel that counts, as a share of the map's maximum.
        above : str
            "at-least", "strictly" or "quantized".
        areas : str
            "largest" for the box of the largest connected area, "all" for the boxes of all areas.

        Returns
        -------
        list of Box
            In pixels of the photo, the largest area first; none for a flat map.
        """
        return [Box(*sides) for sides in self._found.boxes(self._index(target), float(threshold), above, areas)]

    def photo_map(self, target: int = 0) -> npt.NDArray[np.float32]:
        """A map at the size of the explained photo.

        Parameters
        ----------
        target : int
            The number of the target, from 0.

        Returns
        -------
        numpy.ndarray
            float32 [height, width], 0 where the photo lies outside the model's input.
        """
        pixels = self._photo(None).pixels()
        if pixels is None:
            raise ValueError("a tensor was explained, whose photo is unknown; take .map")
        return self._found.photo_map(self._index(target), (pixels.shape[0], pixels.shape[1]))

    def overlay(
        self, target: int = 0, *, photo: Any = None, colormap: str = "viridis", opacity: float = 0.5
    ) -> Picture:
        """A map over the photo.

        Parameters
        ----------
        target : int
            The number of the target, from 0.
        photo : image, optional
            The photo to draw on, if a tensor was explained; any image that `Model.explain` accepts.
        colormap : str
            "viridis", "turbo", "jet", "inferno" or "gray".
        opacity : float
            The opacity of the colors, 0 to 1.

        Returns
        -------
        Picture
            The overlay at the photo's size; the target's box is drawn and labeled.
        """
        return Picture(self._found.overlay(self._index(target), self._photo(photo), colormap, float(opacity)))

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw an overlay for each target with Matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            The axes for only the first target; without it, a new figure gets axes for all targets.
        **options
            The options of `overlay`.

        Returns
        -------
        matplotlib.axes.Axes or numpy.ndarray of them
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as why:
            raise ImportError("plot needs Matplotlib; run: pip install matplotlib") from why
        if ax is not None:
            self._draw(ax, 0, options)
            return ax
        _, axes = plt.subplots(1, len(self.targets), squeeze=False, figsize=(4 * len(self.targets), 4))
        for index, one in enumerate(axes[0]):
            self._draw(one, index, options)
        return axes[0] if len(self.targets) > 1 else axes[0][0]

    def _draw(self, ax: Any, index: int, options: dict[str, Any]) -> None:
        ax.imshow(self._picture(index, **options).pixels)
        ax.set_title(f"{self.targets[index]} {self.targets[index].score:.3f}")
        ax.set_axis_off()

    def _picture(self, index: int, **options: Any) -> Picture:
        """The overlay, or only the map if there is no photo."""
        if options.get("photo") is not None or self._image.pixels() is not None:
            return self.overlay(index, **options)
        options.pop("photo", None)
        height, width = self.maps[index].shape
        black = _native.Image.photo(np.zeros((height, width, 3), dtype=np.uint8))
        return self.overlay(index, photo=black, **{"opacity": 1.0, **options})

    def _photo(self, photo: Any) -> _native.Image:
        if photo is not None:
            return _images.image(photo)
        if self._image.pixels() is None:
            raise ValueError("a tensor was explained, whose photo is unknown; give photo=")
        return self._image

    def _index(self, target: int) -> int:
        count = len(self.targets)
        if not -count <= target < count:
            raise IndexError(f"target {target} of {count}; count from 0")
        return target % count

    def _repr_png_(self) -> bytes | None:
        return None if self.late else self._picture(0)._repr_png_()

    def _repr_html_(self) -> str:
        cells = []
        for index, target in enumerate(self.targets[:SHOWN_IN_HTML]):
            png = "" if self.late else base64.b64encode(self._picture(index)._repr_png_()).decode()
            picture = f'<img src="data:image/png;base64,{png}" style="max-width: 320px">' if png else ""
            words = html.escape(f"{target} {target.score:.3f}")
            cells.append(f'<figure style="display: inline-block">{picture}<figcaption>{words}</figcaption></figure>')
        remarks = "".join(f"<li>{html.escape(line)}</li>" for line in self.warnings + ([self.late] if self.late else []))
        return f"<div>{''.join(cells)}{f'<ul>{remarks}</ul>' if remarks else ''}</div>"

    def __repr__(self) -> str:
        targets = ", ".join(f"{target} {target.score:.3f}" for target in self.targets)
        return f"Explanation({targets}; layer {self.layer!r}, {self.passes} passes)"
