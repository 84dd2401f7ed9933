from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

__version__: str

class OptionDict(TypedDict):
    name: str
    help: str
    kind: str
    default: str
    range: tuple[float, float] | None
    choices: list[str]

class MethodDict(TypedDict):
    id: str
    summary: str
    needs: str
    needs_layer: bool
    options: list[OptionDict]
    presets: list[tuple[str, str]]

_Curve = tuple[list[int], list[float]]
_Report = Callable[[str, int, int], object] | None

class Image:
    @staticmethod
    def open(path: str) -> Image: ...
    @staticmethod
    def photo(pixels: npt.NDArray[np.uint8]) -> Image: ...
    @staticmethod
    def photo16(pixels: npt.NDArray[np.uint16]) -> Image: ...
    @staticmethod
    def tensor(values: npt.NDArray[np.float32]) -> Image: ...
    def pixels(self) -> npt.NDArray[np.uint8] | None: ...

class Explanation:
    layer: str
    passes: int
    measures: list[tuple[str, float]]
    warnings: list[str]
    late: str | None
    input_size: tuple[int, int]
    def maps(self) -> npt.NDArray[np.float32]: ...
    def errors(self) -> npt.NDArray[np.float32] | None: ...
    def targets(self) -> list[dict[str, Any]]: ...
    def boxes(
        self, index: int, threshold: float, above: str, areas: str
    ) -> list[tuple[float, float, float, float]]: ...
    def photo_map(self, index: int, size: tuple[int, int]) -> npt.NDArray[np.float32]: ...
    def overlay(self, index: int, photo: Image, colormap: str, opacity: float) -> npt.NDArray[np.uint8]: ...

class Model:
    name: str
    backend: str
    input_shape: list[int | None]
    layer: str | None
    classes: int | None
    remarks: list[str]
    abilities: str
    @staticmethod
    def load(request: dict[str, Any]) -> Model: ...
    @staticmethod
    def from_engine(engine: Any, manifest_text: tuple[str, str]) -> Model: ...
    def layers(self) -> list[tuple[str, str, list[int | None], bool]]: ...
    def label(self, class_: int) -> str | None: ...
    def classify(self, image: Image) -> tuple[list[float], list[str]]: ...
    def explain(
        self, image: Image, wanted: dict[str, Any], progress: _Report, previous: Explanation | None
    ) -> Explanation: ...
    def explain_many(
        self,
        images: Iterator[Image],
        wanted: dict[str, Any],
        at_once: int,
        progress: Callable[[int, tuple[str, int, int]], object] | None,
    ) -> Stream: ...
    def evaluate(
        self, image: Image, maps: npt.NDArray[np.float32], question: dict[str, Any], progress: _Report
    ) -> tuple[float, int, list[tuple[list[tuple[str, float]], _Curve | None, _Curve | None]]]: ...

class Stream(Iterator[Explanation]):
    def __next__(self) -> Explanation: ...
    def close(self) -> None: ...

def set_runtime_folder(folder: str) -> None: ...
def load_plugin(path: str) -> None: ...
def methods() -> list[MethodDict]: ...
def backends() -> list[tuple[str, list[str], str, bool]]: ...
def measures() -> list[tuple[str, str, bool | None, str]]: ...
def encoded(pixels: npt.NDArray[np.uint8], format: str) -> bytes: ...
