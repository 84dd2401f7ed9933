"""Networks of JAX in memory: the numbers of their formula in either layout, and gradients."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy

import scorecam  # noqa: E402

SIZE, CHANNELS, CLASSES = 16, 6, 4
random = np.random.default_rng(4)
KERNEL = random.normal(size=(3, 3, 3, CHANNELS)).astype(np.float32)
READOUT = random.normal(size=(CHANNELS, CLASSES)).astype(np.float32)
IMAGE = random.random((3, SIZE, SIZE), dtype=np.float32)


def features(images):
    """[N, 16, 16, 3] to [N, 8, 8, 6]."""
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(images, KERNEL, (2, 2), "SAME", dimension_numbers=axes))


def head(maps):
    return maps.mean(axis=(1, 2)) @ READOUT


def network(images):
    return head(features(images))


@pytest.fixture(scope="module")
def model():
    return scorecam.from_jax(network, (3, SIZE, SIZE), activations=features, run_from=head, layout="NHWC")


def test_a_network_is_explained_as_from_callable_explains_it(model):
    def plain(function, turn):
        return lambda images: turn(np.asarray(function(images.transpose(0, 2, 3, 1))))

    expected = scorecam.from_callable(
        plain(network, lambda found: found), (3, SIZE, SIZE), activations=plain(features, lambda maps: maps.transpose(0, 3, 1, 2))
    ).explain(IMAGE, 2)
    found = model.explain(IMAGE, 2)
    assert np.allclose(found.map, expected.map, atol=1e-5) and found.passes == expected.passes
    turned = scorecam.from_jax(
        lambda images: network(images.transpose(0, 2, 3, 1)), (3, SIZE, SIZE),
        activations=lambda images: features(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    )  # fmt: skip
    assert np.allclose(turned.explain(IMAGE, 2).map, expected.map, atol=1e-5)


def test_gradients_and_heads_are_there(model):
    assert set(model.abilities) == {"run-from", "gradients"}
    maps = np.asarray(features(IMAGE.transpose(1, 2, 0)[None]))[0]
    # Behind the layer is a mean and a readout, so that the weight of a channel is its entry there.
    expected = np.maximum(maps @ READOUT[:, 1], 0)
    found = model.explain(IMAGE, 1, "grad-cam", output="layer").map
    assert np.allclose(found, (expected - expected.min()) / np.ptp(expected), atol=1e-4)
    assert model.explain(IMAGE, 1, "recipro-cam").map.shape == (SIZE, SIZE)


def test_what_is_wrong_is_named(model):
    with pytest.raises(ValueError, match="layout is 'HWC'"):
        scorecam.from_jax(network, (3, SIZE, SIZE), layout="HWC")
    without = scorecam.from_jax(network, (3, SIZE, SIZE), activations=features, layout="NHWC")
    assert without.abilities == ()
    with pytest.raises(NotImplementedError, match="grad-cam"):
        without.explain(IMAGE, 1, "grad-cam")

    def failing(images):
        raise KeyError("parameters")

    with pytest.raises(KeyError, match="parameters"):
        scorecam.from_jax(failing, (3, SIZE, SIZE))
