"""`Model`: a loaded model and its methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _images, _native, _request, _runtime
from ._explanation import Explanation

ProgressLike = bool | Callable[["Progress"], object]


class Progress(NamedTuple):
    """The progress of an explain call.

    Attributes
    ----------
    stage : str
        "forward" for the unmasked pass, "passes" for the method's passes, "done".
    passes : int
        The number of passes so far.
    expected : int
        The expected total of passes; 0 if unknown.
    """

    stage: str
    passes: int
    expected: int


@dataclass(frozen=True)
class Layer:
    """A layer of a model.

    Attributes
    ----------
    name : str
        The name for `Model.explain`.
    operator : str
        Its operation, as the model names it.
    shape : tuple of int or None
        [K, h, w] if it is known to hold maps, else its raw shape without the batch axis; None for a variable length.
    maps : bool
        Whether it is known to hold activation maps.
    """

    name: str
    operator: str
    shape: tuple[int | None, ...]
    maps: bool

    def __str__(self) -> str:
        return self.name


class Model:
    """A loaded model. Several threads may use it concurrently.

    Created by `load_model`, `from_bytes`, `from_torch`, `from_keras` and `from_callable`.
    """

    def __init__(self, native: _native.Model) -> None:
        self._native = native

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self._native.name

    @property
    def backend(self) -> str:
        """The id of its backend; "application" for a model in memory."""
        return self._native.backend

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """[N, C, H, W] of its input; None for an axis of variable length."""
        return tuple(self._native.input_shape)

    @property
    def layers(self) -> list[Layer]:
        """Its layers, in execution order."""
        return [Layer(name, operator, tuple(shape), maps) for name, operator, shape, maps in self._native.layers()]

    @property
    def layer(self) -> str | None:
        """The default layer."""
        return self._native.layer

    @property
    def labels(self) -> list[str | None] | None:
        """The label of each class; None if there are none."""
        count = self._native.classes or 0
        labels = [self._native.label(index) for index in range(count)]
        return labels if any(label is not None for label in labels) else None

    @property
    def classes(self) -> int | None:
        """The number of classes; None if it has no class scores or the number is unknown."""
        return self._native.classes

    @property
    def abilities(self) -> tuple[str, ...]:
        """Its abilities beyond forward passes: "gradients", "run-from", "masked"."""
        return tuple(ability for ability in self._native.abilities.split(", ") if ability)

    @property
    def remarks(self) -> list[str]:
        """Remarks for the user on how it runs, one line each."""
        return self._native.remarks

    def classify(self, image: Any) -> npt.NDArray[np.float64]:
        """Score all classes in one pass.

        Parameters
        ----------
        image : image
            As in `explain`.

        Returns
        -------
        numpy.ndarray
            float64 [classes]: probabilities, or plain values for a model with such an output.

        Examples
        --------
        >>> import numpy as np, scorecam
        >>> model = scorecam.from_callable(lambda images: 9 * images.mean(axis=(2, 3)), (3, 4, 4))
        >>> model.classify(np.ones((3, 4, 4), dtype=np.float32)).round(3).tolist()
        [0.333, 0.333, 0.333]
        """
        return np.array(self._native.classify(_images.image(image))[0])

    def explain(
        self,
        image: Any,
        target: Any = None,
        method: str = "score-cam",
        preset: str | None = None,
        layer: Any = None,
        progress: ProgressLike = False,
        *,
        fuse: str = "mean",
        augment: bool = False,
        batch_size: int | None = None,
        reference: Any = None,
        time_limit: float | None = None,
        detections: Mapping[str, Any] | None = None,
        previous: Explanation | None = None,
        **options: Any,
    ) -> Explanation:
        """Explain the model's decision on one image.

        Other Python threads run during the call, and Ctrl-C ends it after the current batch.

        Parameters
        ----------
        image : image
            A path, a PIL image, uint8 pixels [H, W, 3], or the model's input as float32 [C, H, W]: NumPy, PyTorch or
            anything with `__dlpack__`.
        target : int, str, or a list of these, optional
            Classes by number or label, "top:5", or other targets: "box:0", "contrast:tabby-lynx", "region:predicted".
            None for the class with the highest score.
        method : str
            A method's id, see `methods`, or "auto" for a cheap map.
        preset : str, optional
            A preset of the method.
        layer : str or list of str, optional
            The target layer, or several whose maps are fused; None for the model's own.
        progress : bool or callable
            True for a tqdm bar; a function receives a `Progress` after each batch.
        fuse : str
            "mean", "max" or "product" of the maps of several layers.
        augment : bool
            Average the maps of the image and of its mirror image.
        batch_size : int, optional
            Images per pass.
        reference : image, optional
            A reference image, for options that need one.
        time_limit : float, optional
            Time limit for the passes, in seconds.
        detections : dict, optional
            The selection of detections: "score", "overlap", "most".
        previous : Explanation, optional
            That of a video's frame before, from which the adaptive method learns.
        **options
            Options of the method.

        Returns
        -------
        Explanation
            The maps, and what is known of them.

        Raises
        ------
        ValueError
            An argument has a wrong value, shape or type of number.
        LookupError
            There is no such layer, class, method, preset or option.
        FileNotFoundError
            There is no such image.
        NotImplementedError
            The method needs an ability that the model lacks.

        Examples
        --------
        >>> import numpy as np, scorecam
        >>> model = scorecam.from_callable(
        ...     lambda images: images.mean(axis=(2, 3)), (3, 8, 8), activations=lambda images: images
        ... )
        >>> image = np.zeros((3, 8, 8), dtype=np.float32)
        >>> image[0, 1, 1] = 1.0
        >>> found = model.explain(image, target=0, preset="paper")
        >>> found.map.shape, found.target.text
        ((8, 8), 'class:0')
        """
        wanted = _request.request(
            target,
            layer,
            options,
            method=method,
            preset=preset,
            fuse=fuse,
            augment=augment,
            batch_size=batch_size,
            reference=reference,
            time_limit=time_limit,
            detections=detections,
        )
        native = _images.image(image)
        before = None if previous is None else previous._found
        with _reporter(progress) as report:
            return Explanation(self._native.explain(native, wanted, report, before), native, wanted)

    def explain_many(
        self,
        images: Iterable[Any],
        target: Any = None,
        method: str = "score-cam",
        preset: str | None = None,
        layer: Any = None,
        progress: ProgressLike = False,
        *,
        at_once: int = 4,
        **arguments: Any,
    ) -> Explanations:
        """Explain many images, whose masks share batches.

        Parameters
        ----------
        images : iterable of images
            Images are read on demand, on the thread that iterates over the result.
        target, method, preset, layer, progress
            As in `explain`.
        at_once : int
            Images to process concurrently, 1 to 64.
        **arguments
            All other arguments of `explain` except `previous`.

        Returns
        -------
        Explanations
            An iterator with one explanation per image, in order.

        Examples
        --------
        >>> import numpy as np, scorecam
        >>> model = scorecam.from_callable(
        ...     lambda images: images.mean(axis=(2, 3)), (3, 8, 8), activations=lambda images: images
        ... )
        >>> images = [np.full((3, 8, 8), value, dtype=np.float32) for value in (0.1, 0.5)]
        >>> images[0][2] = images[1][1] = 0.9
        >>> [found.target.index for found in model.explain_many(images)]
        [2, 1]
        """
        named = {name: arguments.pop(name, default) for name, default in _DEFAULTS.items()}
        wanted = _request.request(target, layer, arguments, method=method, preset=preset, **named)
        return Explanations(self._native, images, wanted, at_once, progress)

    def __repr__(self) -> str:
        return f"Model({self.name}, input {list(self.input_shape)}, layer {self.layer!r})"


_DEFAULTS: dict[str, Any] = {
    "fuse": "mean",
    "augment": False,
    "batch_size": None,
    "reference": None,
    "time_limit": None,
    "detections": None,
}


class Explanations(Iterator[Explanation]):
    """Explanations of many images, in order; returned by `Model.explain_many`.

    A failing image raises its exception in its turn; the next call continues with the next image.
    """

    def __init__(
        self, model: _native.Model, images: Iterable[Any], wanted: dict[str, Any], at_once: int, progress: ProgressLike
    ) -> None:
        self._wanted = wanted
        self._images: dict[int, _native.Image | None] = {}
        self._next = 0
        self._source = iter(images)
        self._bar: Any = None
        if progress is True:
            self._bar = _tqdm()(unit="image")
        report = None if isinstance(progress, bool) else lambda position, now: progress(Progress(*now))
        self._stream = model.explain_many(_Feed(self), wanted, at_once, report)

    def __next__(self) -> Explanation:
        try:
            found = next(self._stream)
        except StopIteration:
            self._finish()
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            self.close()
            raise
        except BaseException:
            self._images.pop(self._next, None)
            self._next += 1
            raise
        image = self._images.pop(self._next)
        self._next += 1
        if self._bar is not None:
            self._bar.update()
        assert image is not None
        return Explanation(found, image, self._wanted)

    def close(self) -> None:
        """End the work after the current batch."""
        self._stream.close()
        self._images.clear()
        self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Explanations:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Feed(Iterator["_native.Image"]):
    """A user's images for the native side; each is kept until its explanation is returned."""

    def __init__(self, explanations: Explanations) -> None:
        self._to = explanations
        self._given = 0

    def __next__(self) -> _native.Image:
        image = _images.image(next(self._to._source))
        self._to._images[self._given] = image
        self._given += 1
        return image


class _reporter:
    """A progress argument as the function that the native side calls, closed with the call."""

    def __init__(self, progress: ProgressLike) -> None:
        self._progress = progress
        self._bar: Any = None

    def __enter__(self) -> Callable[[str, int, int], object] | None:
        if self._progress is True:
            self._bar = _tqdm()(unit="pass")
            return self._draw
        if isinstance(self._progress, bool) or self._progress is None:
            return None
        function = self._progress
        return lambda *now: function(Progress(*now))

    def _draw(self, stage: str, passes: int, expected: int) -> None:
        self._bar.total = expected or None
        self._bar.update(passes - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as why:
        raise ImportError("progress=True needs tqdm; run: pip install tqdm, or give a function") from why
    return tqdm


def load_model(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    device: str | None = None,
    backend: str | None = None,
    layer: Any = None,
    layer_form: str | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    runtime: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """Load a model from a file.

    Parameters
    ----------
    path : path
        The model's file, or its manifest (".toml"). A manifest beside the model with the same name is also read.
    threads : int, optional
        Threads of the runtime; None for all cores.
    device : str, optional
        "cpu", "cuda:0".
    backend : str, optional
        A backend's id, see `backends`; None for the best available one.
    layer : str or list of str, optional
        The layer to explain, or several whose maps are fused.
    layer_form : str, optional
        The layout of these layers, such as "nchw" or "tokens=1+14x14".
    manifest : path or dict, optional
        Information that the model's file lacks: `{"input": {"mean": [...], "std": [...]}, "model": {"labels":
        [...]}}`.
    runtime : path, optional
        The library of ONNX Runtime; None for that of the package `onnxruntime`.
    settings : dict, optional
        Settings of the backend.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        The file does not exist.
    RuntimeError
        The file is not a model that a backend loads.
    """
    return _load(
        _images.existing(path), None, threads, device, backend, layer, layer_form, manifest, runtime, settings
    )


def from_bytes(
    content: bytes,
    name: str = "model.onnx",
    *,
    threads: int | None = None,
    device: str | None = None,
    backend: str | None = None,
    layer: Any = None,
    layer_form: str | None = None,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    runtime: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """Load a model from memory.

    Parameters
    ----------
    content : bytes
        The content of a model's file.
    name : str
        Its name, whose extension selects the format.
    threads, device, backend, layer, layer_form, manifest, runtime, settings
        As in `load_model`.

    Returns
    -------
    Model
    """
    return _load(name, bytes(content), threads, device, backend, layer, layer_form, manifest, runtime, settings)


def _load(
    path: str,
    content: bytes | None,
    threads: int | None,
    device: str | None,
    backend: str | None,
    layer: Any,
    layer_form: str | None,
    manifest: Any,
    runtime: Any,
    settings: Mapping[str, Any] | None,
) -> Model:
    _runtime.prepare()
    every = {name: _request.word(value) for name, value in (settings or {}).items()}
    if runtime is not None:
        every["runtime"] = os.fsdecode(runtime)
    request = {
        "path": path,
        "bytes": content,
        "manifest": _request.manifest(manifest),
        "backend": backend,
        "layer": _request.layers(layer),
        "layer_form": layer_form,
        "threads": threads,
        "device": device,
        "settings": every,
    }
    return Model(_native.Model.load(request))
