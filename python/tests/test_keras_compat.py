"""The modules for Score-CAM of Keras: the numbers of the code that they stand in for.

tf-keras-vis is compared with itself where it is installed with TensorFlow. The two repositories are no packages: what
their code computes is written down here anew, with the resizes of the libraries that they use.
"""

import os

import numpy as np
import pytest

if not os.environ.get("KERAS_BACKEND"):
    import importlib.util

    os.environ["KERAS_BACKEND"] = "tensorflow" if importlib.util.find_spec("tensorflow") else "torch"
pytest.importorskip(os.environ["KERAS_BACKEND"])
keras = pytest.importorskip("keras")

SIZE = (20, 24)


def make(ending):
    keras.utils.set_random_seed(8)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="conv_first"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(9, 3, padding="same", name="conv_last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation=ending, name="scores"),
        ]
    )


@pytest.fixture(scope="module", params=["linear", "softmax"])
def network(request):
    return make(request.param)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(9).random((2, *SIZE, 3), dtype=np.float32)


def outputs(network, batch):
    return keras.ops.convert_to_numpy(network(np.asarray(batch, np.float32), training=False)).astype(np.float64)


def maps_of(network, image, layer="conv_last"):
    """[K, h, w] of a layer."""
    inner = keras.Model(network.inputs, network.get_layer(layer).output)
    return outputs(inner, image[None])[0].transpose(2, 0, 1)


def softmax(rows):
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def bilinear(maps):
    """OpenCV's and PyTorch's linear resize, of each map by its own formula."""

    def matrix(before, after):
        at = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
        return np.maximum(1 - np.abs(at[:, None] - np.arange(before)), 0)

    return matrix(maps.shape[1], SIZE[0]) @ maps @ matrix(maps.shape[2], SIZE[1]).T


def of_bunbunjp(network, image, most=-1):
    """Masks are a / (max - min); weights the softmax of what the model returns; the sum of raw maps over its maximum."""
    maps = maps_of(network, image)
    if most != -1:
        maps = maps[np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:most]]
    wide = bilinear(maps)
    extent = np.ptp(wide, axis=(1, 2))
    masks = wide / np.where(extent == 0, 1, extent)[:, None, None]
    weights = softmax(outputs(network, masks[..., None] * image))[:, outputs(network, image[None])[0].argmax()]
    found = np.tensordot(weights, maps, 1)
    return found / found.max()


@pytest.mark.parametrize("most", [-1, 4])
def test_bunbunjp(network, images, most):
    from scorecam.compat.bunbunjp import score_cam

    found = score_cam(network, images[:1], "conv_last", max_N=most)
    assert found.shape == (10, 12) and np.allclose(found, of_bunbunjp(network, images[0], most), atol=1e-4)
    assert found.min() < 0, "the map is not rectified"
    with pytest.raises(ValueError, match="one image"):
        score_cam(network, images, "conv_last")


def of_matheushent(network, image, target):
    """Maps resized by scikit-image and scaled to 0..1 are masks; the greatest of the weighted masks is the map."""
    transform = pytest.importorskip("skimage.transform")
    wide = np.stack([transform.resize(one, SIZE, preserve_range=True) for one in maps_of(network, image)])
    least, most = wide.min(axis=(1, 2), keepdims=True), wide.max(axis=(1, 2), keepdims=True)
    masks = (wide - least) / np.where(most > least, most - least, 1)
    weights = outputs(network, masks[..., None] * image)[:, target]
    found = np.maximum((weights[:, None, None] * masks).max(axis=0), 0)
    return (found - found.min()) / (found.max() - found.min())


def test_matheushent(network, images, tmp_path):
    import scorecam
    from scorecam.compat.matheushent import ScoreCAM

    # A class whose outputs are above 0: of any other the greatest of the weighted masks is 0.
    target = int(outputs(network, images).min(axis=0).argmax())
    explainer, expected = ScoreCAM(), [of_matheushent(network, image, target) for image in images]
    assert explainer.get_last_convolutional_layer_name(network) == "conv_last"
    model = scorecam.from_keras(network, layer="conv_last", manifest={"output": {"activation": "softmax"}})
    found = [model.explain(image.transpose(2, 0, 1), target, preset="matheushent").map for image in images]
    assert np.allclose(found, expected, atol=1e-4)
    # Of gray, a color is the map itself.
    levels = explainer.explain((images, None), network, target, SIZE, "gray", image_weight=0.0, display_in_grid=False)
    assert levels.shape == (2, *SIZE, 3) and np.abs(levels[..., 0] / 255 - np.array(expected)).max() < 1.01 / 255
    both = explainer.explain((images, None), network, target, SIZE, 2)
    assert both.shape == (SIZE[0], 2 * SIZE[1], 3) and both.dtype == np.uint8
    explainer.save(both, str(tmp_path / "out"), "both.png")
    assert (tmp_path / "out/both.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="input_shape is"):
        explainer.explain((images, None), network, target, (9, 9))
    with pytest.raises(ValueError, match="colormap 5 of OpenCV"):
        explainer.explain((images, None), network, target, SIZE, 5)


def aligned(maps, size):
    """A resize that keeps corners on corners."""

    def matrix(before, after):
        at = np.arange(after) * (before - 1) / (after - 1)
        return np.maximum(1 - np.abs(at[:, None] - np.arange(before)), 0)

    return matrix(maps.shape[1], size[0]) @ maps @ matrix(maps.shape[2], size[1]).T


def of_tf_keras_vis(network, image, target, most=None):
    maps = maps_of(network, image)
    if most:
        maps = maps[np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:most]]
    wide = aligned(maps, SIZE)
    least, greatest = wide.min(axis=(1, 2), keepdims=True), wide.max(axis=(1, 2), keepdims=True)
    masks = (wide - least) / (greatest - least + 1e-7)
    weights = softmax(outputs(network, masks[..., None] * image))[:, target]
    found = aligned(np.maximum(np.tensordot(weights, maps, 1), 0)[None], SIZE)[0]
    return (found - found.min()) / (found.max() - found.min() + 1e-7)


class Category:
    """As that tool's CategoricalScore: a class for each image of the batch."""

    def __init__(self, *indices):
        self.indices = indices

    def __call__(self, output):
        return [output[i, index] for i, index in enumerate(self.indices)]


def test_tf_keras_vis_by_its_formula(network, images):
    from scorecam.compat.tf_keras_vis import ScoreCAM, Scorecam

    assert ScoreCAM is Scorecam
    cam = Scorecam(network)
    found = cam(Category(1, 4), images)
    expected = [of_tf_keras_vis(network, image, target) for image, target in zip(images, (1, 4))]
    assert found.shape == (2, *SIZE) and found.dtype == np.float32 and np.allclose(found, expected, atol=1e-4)
    few = cam(lambda output: output[:, 2], images[0], penultimate_layer="conv_last", max_N=3)
    assert np.allclose(few, [of_tf_keras_vis(network, images[0], 2, 3)], atol=1e-4)
    raw = cam(Category(1, 4), images, activation_modifier=None, expand_cam=False, normalize_cam=False)
    assert raw.shape == (2, 10, 12) and raw.min() < 0
    assert cam(Category(1, 4), images, penultimate_layer=1, expand_cam=False).shape == (2, 20, 24)
    changed = Scorecam(network, model_modifier=lambda model: make("linear"))
    assert changed.model is not network and changed(Category(1), images[:1]).shape == (1, *SIZE)
    for words, arguments in (
        ("score has 2 entries", {"score": [min, max]}),
        ("seed_input has shape", {"seed_input": images[0, 0]}),
        ("gave 1 values for 2", {"score": lambda output: [0.5]}),
        ("penultimate_layer is 9", {"penultimate_layer": 9}),
    ):
        with pytest.raises(ValueError, match=words):
            cam(**{"score": Category(1, 4), "seed_input": images, **arguments})
    with pytest.raises(NotImplementedError, match="training=False"):
        cam(Category(1, 4), images, training=True)


def test_tf_keras_vis_as_itself(network, images):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("that tool needs TensorFlow")
    theirs = pytest.importorskip("tf_keras_vis.scorecam")
    from tf_keras_vis.utils.scores import CategoricalScore

    from scorecam.compat.tf_keras_vis import Scorecam

    for arguments in ({}, {"normalize_cam": False}, {"expand_cam": False}, {"activation_modifier": None}):
        score = CategoricalScore([1, 4])
        expected = theirs.Scorecam(network)(score, images, **arguments)
        found = Scorecam(network)(score, images, **arguments)
        assert found.shape == expected.shape and np.allclose(found, expected, atol=1e-4), arguments
    one = CategoricalScore(2)
    expected = theirs.Scorecam(network)(one, images[0], max_N=3)
    assert np.allclose(Scorecam(network)(one, images[0], max_N=3), expected, atol=1e-4)
