"""Functions as models: what they may return, and what of them is refused."""

import numpy as np
import pytest

import scorecam

from conftest import means


def test_a_function_is_explained_where_it_looks(channels, spot):
    found = channels.explain(spot)
    assert found.target.label == "g" and found.layer == "activations"
    row, column = np.unravel_index(found.map.argmax(), found.map.shape)
    assert 4 <= row < 7 and 9 <= column < 12


def test_a_function_alone_is_explained_by_its_scores(spot):
    model = scorecam.from_callable(means, (3, 16, 16))
    found = model.explain(spot, method="rise", passes=400)
    assert found.target.index == 1 and found.passes == 401
    with pytest.raises(ValueError, match="layer"):
        model.explain(spot)


def test_run_from_serves_methods_that_need_it(spot):
    model = scorecam.from_callable(
        means, (3, 16, 16), activations={"first": lambda images: images}, run_from={"first": means}
    )
    assert model.abilities == ("run-from",) and [layer.name for layer in model.layers] == ["first"]
    found = model.explain(spot, method="ablation-cam")
    assert found.measures["head-passes"] > 0 and found.map[5, 10] > found.map[0, 0]


def test_a_value_of_its_own_is_a_target(spot):
    model = scorecam.from_callable(
        lambda images: images[:, 1].mean(axis=(1, 2)), (3, 16, 16), activations=lambda images: images,
        manifest={"output": {"kind": "value"}},
    )  # fmt: skip
    assert model.explain(spot, "value").target.output == pytest.approx(spot[1].mean(), rel=1e-5)


def test_photos_are_prepared_as_told(pixels):
    seen = []

    def function(images):
        seen.append(images.copy())
        return images.mean(axis=(2, 3))

    model = scorecam.from_callable(function, (3, 8, 8), mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25], labels=list("rgb"))
    white = np.full((8, 8, 3), 255, np.uint8)
    model.classify(white)
    assert np.allclose(seen[-1], 2.0)
    given = {"input": {"scale": 1.0}}
    raw = scorecam.from_callable(function, (3, 8, 8), manifest=given, mean=[5.0])
    raw.classify(white)
    assert np.allclose(seen[-1], 250.0)


def test_a_batch_is_the_functions_own(spot):
    kept = []

    def function(images):
        kept.append(images)
        images += 0.0
        return images.mean(axis=(2, 3))

    model = scorecam.from_callable(function, (3, 16, 16), activations=lambda images: images)
    first = model.explain(spot).map
    copies = [batch.copy() for batch in kept]
    model.explain(spot[:, ::-1])
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies)) and np.array_equal(model.explain(spot).map, first)


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (lambda images: {"logits": images}, TypeError, "dict with 'logits'"),
        (lambda images: (images, images), TypeError, "2 values"),
        (lambda images: images.mean(), ValueError, "shape []"),
        (lambda images: np.zeros((7, 2)), ValueError, "[7, 2] for 1 images"),
        (lambda images: None, TypeError, "NoneType"),
    ],
)
def test_what_a_function_may_not_return(found, kind, words):
    with pytest.raises(kind) as raised:
        scorecam.from_callable(found, (3, 8, 8))
    assert words in str(raised.value)


def test_wrong_shapes_are_refused():
    for shape in ((3, 8), (3, 0, 8)):
        with pytest.raises(ValueError, match="input_shape"):
            scorecam.from_callable(means, shape)
    with pytest.raises(ValueError, match="activations 'a'"):
        scorecam.from_callable(means, (3, 8, 8), activations={"a": lambda images: images[0, 0]})
    with pytest.raises(LookupError, match="no-such"):
        scorecam.from_callable(means, (3, 8, 8), activations={"a": lambda images: images}, layer="no-such")


def test_a_nan_of_a_model_is_told(spot):
    model = scorecam.from_callable(
        lambda images: np.full((len(images), 3), np.nan), (3, 16, 16), activations=lambda images: images
    )
    with pytest.raises(RuntimeError, match="(?i)nan|inf|finite"):
        model.explain(spot)
