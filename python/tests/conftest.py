"""What the tests share: a small ONNX model that is written here, a photo, and models in memory."""

import importlib.util
import pathlib
import random
import sys
from array import array

import numpy as np
import pytest

import scorecam

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE, CHANNELS, CLASSES = 32, 6, 5

# PyTorch's only wheel for Linux names CUDA's libraries, which tests do without.
if (ROOT / "tests/zoo/torch_without_cuda.py").is_file() and importlib.util.find_spec("torch"):
    sys.path.insert(0, str(ROOT / "tests/zoo"))
    import torch_without_cuda  # noqa: F401
    sys.path.pop(0)


def tiny_onnx() -> bytes:
    """Convolution, ReLU, pooling, convolution, ReLU, mean, linear: 32 x 32 to 5 classes."""
    sys.path.insert(0, str(ROOT / "models"))
    try:
        from onnx_file import Graph
    finally:
        sys.path.pop(0)
    draw = random.Random(7)
    weights = lambda count: array("f", [draw.uniform(-0.5, 0.5) for _ in range(count)])  # noqa: E731
    graph = Graph("tiny")
    graph.weight("w1", [CHANNELS, 3, 3, 3], weights(CHANNELS * 27))
    graph.weight("w2", [CHANNELS, CHANNELS, 3, 3], weights(CHANNELS * CHANNELS * 9))
    graph.weight("w3", [CLASSES, CHANNELS], weights(CLASSES * CHANNELS))
    graph.weight("b3", [CLASSES], weights(CLASSES))
    half = SIZE // 2
    graph.node("Conv", ["input", "w1"], "c1", [CHANNELS, SIZE, SIZE], pads=[1, 1, 1, 1])
    graph.node("Relu", ["c1"], "r1", [CHANNELS, SIZE, SIZE])
    graph.node("MaxPool", ["r1"], "p1", [CHANNELS, half, half], kernel_shape=[2, 2], strides=[2, 2])
    graph.node("Conv", ["p1", "w2"], "c2", [CHANNELS, half, half], pads=[1, 1, 1, 1])
    graph.node("Relu", ["c2"], "features", [CHANNELS, half, half])
    graph.node("GlobalAveragePool", ["features"], "gap", [CHANNELS, 1, 1])
    graph.node("Flatten", ["gap"], "flat", [CHANNELS])
    graph.node("Gemm", ["flat", "w3", "b3"], "logits", transB=1)
    return graph.model({"input": [3, SIZE, SIZE]}, {"logits": [CLASSES]})


LABELS = ["tabby", "lynx", "fox, red fox", "owl", "elk"]
MANIFEST = {"model": {"labels": LABELS}, "input": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}


@pytest.fixture(scope="session")
def onnx(tmp_path_factory):
    """The path of the model's file."""
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    path.write_bytes(tiny_onnx())
    return path


@pytest.fixture(scope="session")
def model(onnx):
    return scorecam.load_model(onnx, threads=1, manifest=MANIFEST)


def gradient_photo(height=40, width=56):
    """Pixels that differ in each row and column."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 5 % 256, columns * 4 % 256, (rows * columns) % 256], axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def pixels():
    return gradient_photo()


@pytest.fixture(scope="session")
def photo(tmp_path_factory, pixels):
    """The same as a file."""
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    scorecam.Picture(pixels).save(path)
    return path


@pytest.fixture
def spot():
    """An input that is dark but for one place, and a model that says which channel is bright."""
    image = np.zeros((3, 16, 16), dtype=np.float32)
    image[1, 4:7, 9:12] = 1.0
    return image


def means(images):
    return 20 * images.mean(axis=(2, 3))


@pytest.fixture
def channels():
    return scorecam.from_callable(means, (3, 16, 16), activations=lambda images: images, labels=["r", "g", "b"])
