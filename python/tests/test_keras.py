"""Keras models in memory, and the modules for tools that explain them."""

import os

import numpy as np
import pytest

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

import scorecam  # noqa: E402


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((20, 24, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, name="scores"),
        ]
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).random((3, 20, 24, 3), dtype=np.float32)


def expected(network, image, target):
    """Score-CAM of the layer `last` by its formula."""
    inner = keras.Model(network.inputs, network.get_layer("last").output)
    to_numpy = keras.ops.convert_to_numpy
    maps = to_numpy(inner(image[None], training=False))[0].transpose(2, 0, 1)
    import torch

    masks = torch.nn.functional.interpolate(torch.from_numpy(maps)[None], (20, 24), mode="bilinear")[0].numpy()
    least, most = masks.min((1, 2), keepdims=True), masks.max((1, 2), keepdims=True)
    alive = (most > least).ravel()
    scaled = (masks - least)[alive] / (most - least)[alive]
    logits = to_numpy(network(scaled[..., None] * image[None], training=False))
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights = (weights / weights.sum(1, keepdims=True))[:, target]
    found = np.maximum((weights[:, None, None] * masks[alive]).sum(0), 0)
    return (found - found.min()) / (found.max() - found.min())


def test_a_model_is_explained_as_its_formula_says(network, images):
    model = scorecam.from_keras(network, labels=list("abcd"))
    assert model.input_shape == (None, 3, 20, 24) and model.layer == "last" and model.classes == 4
    assert [layer.name for layer in model.layers] == ["first", "pool", "last"]
    found = model.explain(images[0].transpose(2, 0, 1), 2)
    assert np.allclose(found.map, expected(network, images[0], 2), atol=1e-5) and found.target.label == "c"
    scores = keras.ops.convert_to_numpy(network(images[:1], training=False))[0]
    assert np.allclose(found.target.output, scores[2], atol=1e-5)
    assert model.explain(images[0].transpose(2, 0, 1), 2, layer="pool").layer == "pool"


def test_wrong_arguments_are_named(network):
    with pytest.raises(LookupError, match="'no-such' is no layer"):
        scorecam.from_keras(network, layer="no-such")
    two = keras.Model(network.inputs, [network.outputs[0], network.get_layer("last").output])
    with pytest.raises(TypeError, match="1 inputs and 2 outputs"):
        scorecam.from_keras(two)
    free = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    with pytest.raises(ValueError, match="known length"):
        scorecam.from_keras(free)


def test_tf_explain(network, images, tmp_path):
    from scorecam.compat import tf_explain

    explainer = tf_explain.ScoreCAM()
    grid = explainer.explain((images, None), network, 1, layer_name="last")
    assert grid.shape == (40, 48, 3) and grid.dtype == np.uint8 and not grid[20:, 24:].any()
    explainer.save(grid, str(tmp_path / "out"), "grid.png")
    assert (tmp_path / "out/grid.png").read_bytes().startswith(b"\x89PNG")
    callback = tf_explain.ScoreCAMCallback((images, None), 1, output_dir=str(tmp_path / "logs"))
    callback.set_model(network)
    callback.on_epoch_end(4)
    assert isinstance(callback, keras.callbacks.Callback) and (tmp_path / "logs/epoch_4.png").is_file()
    with pytest.raises(ValueError, match="N, H, W, C"):
        explainer.explain((images[0], None), network, 1)


def test_deep_viz_keras(network, images):
    from scorecam.compat.deep_viz_keras import ScoreCam

    mask = ScoreCam(network, output_index=2)
    assert np.allclose(mask.get_mask(images[0]), expected(network, images[0], 2), atol=1e-5)
    assert mask.get_smoothed_mask(images[0], nsamples=3).shape == (20, 24)
    with pytest.raises(ValueError, match="H, W, C"):
        mask.get_mask(images)
