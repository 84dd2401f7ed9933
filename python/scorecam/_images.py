"""Conversion of users' images for the native side."""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _native

CHANNELS = (1, 3, 4)
KNOWN = (
    "give a path, a PIL image, uint8 pixels [H, W, 3], or the model's input as float32 [C, H, W] "
    "(NumPy, torch or anything with __dlpack__)"
)


def image(value: Any) -> _native.Image:
    """Any image of a user, as a photo or as a model's input."""
    if isinstance(value, _native.Image):
        return value
    if isinstance(value, (str, os.PathLike)):
        return _native.Image.open(existing(value))
    if is_pil(value):
        return from_pil(value)
    return from_array(array(value))


def existing(path: str | os.PathLike[str]) -> str:
    """The path of an existing file."""
    text = os.fsdecode(path)
    if not os.path.exists(text):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text)
    return text


def is_pil(value: Any) -> bool:
    """Whether it is an image of Pillow, which is not imported for it."""
    return any(c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(value).__mro__)


def from_pil(value: Any) -> _native.Image:
    """A photo of Pillow, turned upright by its EXIF orientation, like a file's."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(value)
    return _native.Image.photo(np.ascontiguousarray(np.asarray(upright.convert("RGB"))))


def array(value: Any) -> npt.NDArray[Any]:
    """The values of any array-like object, on the CPU and without its gradients."""
    if isinstance(value, np.ndarray):
        return value
    if is_torch(value):
        return of_torch(value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError) as why:
            if not hasattr(value, "__array__"):
                raise ValueError(f"the {type(value).__name__} cannot be read: {one_line(why)}; copy it to the CPU") from why
    if hasattr(value, "__array__"):
        return np.asarray(value)
    raise TypeError(f"{type(value).__name__} is no image; {KNOWN}")


def is_torch(value: Any) -> bool:
    """Whether it is a tensor of PyTorch, which is not imported for it."""
    return any(c.__module__ == "torch" and c.__name__ == "Tensor" for c in type(value).__mro__)


def of_torch(value: Any) -> npt.NDArray[Any]:
    """The values of a tensor of PyTorch, whatever its device; half precision becomes float32."""
    values = value.detach().to("cpu")
    if values.is_floating_point():
        values = values.float()
    result: npt.NDArray[Any] = values.resolve_conj().resolve_neg().numpy()
    return result


def from_array(values: npt.NDArray[Any]) -> _native.Image:
    """Integers are the pixels of a photo, others a model's input."""
    if values.dtype in (np.uint8, np.uint16):
        pixels = np.ascontiguousarray(upright(values))
        return _native.Image.photo(pixels) if values.dtype == np.uint8 else _native.Image.photo16(pixels)
    if values.dtype.kind != "f":
        raise ValueError(f"an image of {values.dtype} is neither pixels nor a model's input; {KNOWN}")
    return _native.Image.tensor(tensor(values))


def upright(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pixels as [H, W, C]."""
    if values.ndim == 2:
        return values[:, :, None]
    if values.ndim == 3 and values.shape[2] in CHANNELS:
        return values
    if values.ndim == 3 and values.shape[0] in CHANNELS:
        return values.transpose(1, 2, 0)
    raise ValueError(f"pixels of shape {list(values.shape)} are not a photo; give [H, W, 3] or [H, W]")


def tensor(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """A model's input as [1, C, H, W] of float32."""
    if values.ndim == 3:
        values = values[None]
    if values.ndim != 4 or values.shape[0] != 1:
        several = "; explain_many takes several images" if values.ndim == 4 else ""
        raise ValueError(f"an input of shape {list(values.shape)} is no image [C, H, W]{several}")
    return np.ascontiguousarray(values, dtype=np.float32)


def one_line(why: BaseException) -> str:
    """An exception's text on one line."""
    return " ".join(str(why).split())
