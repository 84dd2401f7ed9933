"""What an explanation holds, and what each argument of `explain` does."""

import numpy as np
import pytest

import scorecam


def test_a_model_says_what_it_is(model, onnx):
    assert model.input_shape == (None, 3, 32, 32) and model.backend == "onnx-cpu" and model.classes == 5
    assert model.layer == "features" and model.labels == ["tabby", "lynx", "fox, red fox", "owl", "elk"]
    layer = next(layer for layer in model.layers if layer.name == "features")
    assert (layer.operator, layer.shape, layer.maps, str(layer)) == ("Relu", (6, 16, 16), True, "features")
    assert "run-from" in model.abilities and isinstance(model.remarks, list)
    assert str(onnx) in model.name and "features" in repr(model)


def test_an_explanation_holds_all_that_is_known(model, photo):
    found = model.explain(photo, target="top:2")
    assert found.map.dtype == np.float32 and found.maps.shape == (2, 32, 32)
    assert found.map.min() >= 0 and found.map.max() <= 1 and np.array_equal(found.map, found.maps[0])
    scores = model.classify(photo)
    assert scores.sum() == pytest.approx(1) and found.scores == pytest.approx(np.sort(scores)[:-3:-1])
    first = found.target
    assert (first.index, first.text, first.label) == (
        scores.argmax(), f"class:{scores.argmax()}", model.labels[scores.argmax()]
    )  # fmt: skip
    assert found.layer == "features" and 1 < found.passes <= 7 and found.late is None and found.errors is None
    assert isinstance(found.measures, dict) and found.warnings == [] and "passes" in repr(found)


def test_bytes_load_as_a_file_does(model, onnx, photo):
    loaded = scorecam.from_bytes(onnx.read_bytes(), threads=1, manifest={"input": {"mean": [0.5], "std": [0.25]}})
    same = scorecam.load_model(onnx, threads=1, manifest={"input": {"mean": [0.5], "std": [0.25]}})
    assert np.array_equal(loaded.explain(photo).map, same.explain(photo).map)


def test_layers_named_at_load_are_fused(model, onnx, photo):
    loaded = scorecam.load_model(onnx, layer=["p1", "features"], threads=1)
    found = loaded.explain(photo, 0, "recipro-cam", output="input")
    again = loaded.explain(photo, 0, "recipro-cam", layer=["p1", "features"], output="input")
    assert found.layer == "p1,features" and np.array_equal(found.map, again.map)
    each = [loaded.explain(photo, 0, "recipro-cam", layer=layer, output="input").map for layer in ("p1", "features")]
    assert np.allclose(found.map, np.mean(each, axis=0), atol=1e-6)


def test_targets_are_numbers_labels_and_words(model, photo):
    by_number = model.explain(photo, 2)
    for target in (np.int64(2), "fox", "class:red fox", [2], "2"):
        again = model.explain(photo, target)
        assert np.array_equal(again.map, by_number.map) and again.target.index == 2
    several = model.explain(photo, ["owl", 1])
    assert [target.index for target in several.targets] == [3, 1]
    assert model.explain(photo, "contrast:tabby-lynx").target.text == "contrast:tabby-lynx"


def test_arguments_reach_the_method(model, photo):
    plain = model.explain(photo, 0).map
    assert not np.array_equal(model.explain(photo, 0, preset="paper").map, plain)
    assert not np.array_equal(model.explain(photo, 0, weight_norm="softmax", pre_relu=True).map, plain)
    assert model.explain(photo, 0, combine="raw", output="layer").map.shape == (16, 16)
    assert model.explain(photo, 0, layer="p1").layer == "p1"
    assert model.explain(photo, 0, layer=["p1", "features"], fuse="max").layer == "p1,features"
    assert model.explain(photo, 0, augment=True).passes > model.explain(photo, 0).passes
    assert np.allclose(model.explain(photo, 0, batch_size=1).map, plain, atol=1e-6)
    rise = model.explain(photo, 0, "rise", passes=64)
    assert rise.passes == 65 and rise.errors.shape == (1, 32, 32) and rise.layer == ""
    assert model.explain(photo, 0, "auto").passes < 10
    layers = [layer for layer in model.layers if layer.name == "p1"]
    assert model.explain(photo, 0, layer=layers).layer == "p1"


def test_a_reference_image_is_compared_with(model, photo, pixels):
    found = model.explain(photo, 0, baseline="image", reference=pixels[::-1])
    assert not np.array_equal(found.map, model.explain(photo, 0).map)


def test_a_time_limit_leaves_targets(model, photo):
    late = model.explain(photo, time_limit=0.0)
    assert "time limit" in late.late and late.target.score > 0
    with pytest.raises(TimeoutError, match="time limit"):
        late.map
    assert late._repr_png_() is None and "time limit" in late._repr_html_()


def test_a_frame_learns_of_the_one_before(model, photo, pixels):
    first = model.explain(pixels, 0, "score-cam-adaptive")
    assert model.explain(pixels, 0, "score-cam-adaptive", previous=first).map.shape == (32, 32)


def test_boxes_and_overlays_are_of_the_photo(model, photo, pixels):
    found = model.explain(photo)
    box = found.boxes(threshold=0.5)[0]
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= 56 and 0 <= y0 < y1 <= 40 and box.x1 == x1
    assert len(found.boxes(threshold=0.5, areas="all")) >= 1
    picture = found.overlay(colormap="jet", opacity=0.25)
    assert picture.pixels.shape == pixels.shape and not np.array_equal(picture.pixels, pixels)
    assert np.array_equal(found.overlay(opacity=0.0).pixels, pixels)
    assert found.photo_map().shape == (40, 56)
    assert found._repr_png_().startswith(b"\x89PNG") and "<img" in found._repr_html_()
    with pytest.raises(IndexError, match="target 1 of 1"):
        found.overlay(1)
    with pytest.raises(ValueError, match="rainbow"):
        found.overlay(colormap="rainbow")


def test_a_tensor_has_an_overlay_with_a_photo_only(channels, spot):
    found = channels.explain(spot)
    for ask in (found.overlay, found.photo_map):
        with pytest.raises(ValueError, match="tensor"):
            ask()
    assert found.overlay(photo=np.zeros((32, 32, 3), np.uint8)).size == (32, 32)
    assert found._repr_png_().startswith(b"\x89PNG")


def test_a_plot_has_axes_for_each_target(model, photo):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    axes = model.explain(photo, "top:3").plot()
    assert [one.get_title().split()[0] for one in axes] == [str(t) for t in model.explain(photo, "top:3").targets] or len(axes) == 3
    _, one = plt.subplots()
    assert model.explain(photo).plot(one, colormap="gray") is one and len(one.images) == 1
    plt.close("all")


def test_labels_are_escaped_in_html(onnx, photo):
    labels = ["<b>", "b", "c", "d", "e"]
    found = scorecam.load_model(onnx, manifest={"model": {"labels": labels}}).explain(photo, 0)
    assert "&lt;b&gt;" in found._repr_html_() and "<b>" not in found._repr_html_()


def test_methods_are_listed_with_options_and_presets():
    methods = {method.id: method for method in scorecam.methods()}
    score_cam, grad_cam = methods["score-cam"], methods["grad-cam"]
    assert {"official", "torchcam", "pytorch-grad-cam"} <= set(score_cam.presets) and score_cam.needs == ()
    assert grad_cam.needs and not methods["rise"].needs_layer
    norm = next(option for option in score_cam.options if option.name == "weight_norm")
    assert (norm.kind, norm.default, "softmax" in norm.choices) == ("choice", "none", True) and norm.help
    eps = next(option for option in score_cam.options if option.name == "eps")
    assert (eps.kind, eps.range) == ("number", (0.0, 1.0))


def test_backends_are_listed():
    backend = scorecam.backends()[0]
    assert (backend.id, backend.extensions, backend.ready) == ("onnx-cpu", ("onnx",), True) and "CPU" in backend.device
