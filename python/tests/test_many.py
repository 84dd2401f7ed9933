"""Many images: their order, their batches, and what becomes of one that fails."""

import gc
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest

import scorecam


def shifted(pixels, count):
    return [np.roll(pixels, 3 * i, axis=1) for i in range(count)]


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_maps_come_in_the_order_of_images(model, pixels, at_once):
    images = shifted(pixels, 7)
    found = list(model.explain_many(images, 1, at_once=at_once))
    assert len(found) == 7
    for one, image in zip(found, images):
        assert np.allclose(one.map, model.explain(image, 1).map, atol=1e-6)
        assert np.array_equal(one.overlay(opacity=0.0).pixels, image)


def test_images_are_asked_for_one_after_the_other_on_the_same_thread(model, pixels):
    asked = []

    def images():
        for i in range(20):
            asked.append(threading.get_ident())
            yield np.roll(pixels, i, axis=0)

    stream = model.explain_many(images(), at_once=2)
    next(stream)
    assert 1 <= len(asked) <= 4
    assert len(list(stream)) == 19 and set(asked) == {threading.get_ident()}


def test_batches_are_shared(spot):
    sizes = []

    def function(images):
        sizes.append(len(images))
        return images.mean(axis=(2, 3))

    model = scorecam.from_callable(function, (3, 16, 16), activations=lambda images: images, batch_size=8)
    del sizes[:]
    list(model.explain_many([spot + i / 10 for i in range(8)], at_once=8))
    alone = 8 * 2
    assert len(sizes) < alone, sizes


def test_an_image_that_fails_raises_at_its_turn(model, pixels):
    stream = model.explain_many([pixels, np.zeros((3, 9, 9), np.float32), pixels], at_once=2)
    assert next(stream).map.shape == (32, 32)
    with pytest.raises(ValueError, match="9"):
        next(stream)
    assert next(stream).map.shape == (32, 32)
    with pytest.raises(StopIteration):
        next(stream)


def test_what_the_iterator_raises_comes_behind_what_went_before(model, pixels):
    def images():
        yield pixels
        raise KeyError("no more")

    stream = model.explain_many(images())
    assert next(stream).map.shape == (32, 32)
    with pytest.raises(KeyError, match="no more"):
        next(stream)


def test_wrong_arguments_are_told_before_any_image(model):
    def images():
        raise AssertionError("nobody may ask for an image")
        yield

    for arguments, kind in (({"method": "no"}, LookupError), ({"at_once": 0}, ValueError), ({"at_once": 65}, ValueError)):
        with pytest.raises(kind):
            model.explain_many(images(), **arguments)


def test_exceptions_of_a_model_come_out_as_themselves(spot):
    calls = [0]

    def function(images):
        calls[0] += 1
        if calls[0] > 12:
            raise ZeroDivisionError("in the model")
        return images.mean(axis=(2, 3))

    model = scorecam.from_callable(function, (3, 16, 16), activations=lambda images: images)
    with pytest.raises(ZeroDivisionError, match="in the model"):
        list(model.explain_many([spot] * 20, at_once=1))


def test_progress_and_closing(model, pixels):
    reports = []
    with model.explain_many(shifted(pixels, 3), progress=reports.append) as stream:
        next(stream)
    assert reports and isinstance(reports[0], scorecam.Progress)
    with pytest.raises(StopIteration):
        next(stream)
    assert isinstance(stream, scorecam.Explanations)


LEFT = """
import sys, time
import numpy as np
import scorecam
def slow(images):
    time.sleep(0.02)
    return images.mean(axis=(2, 3))
model = scorecam.from_callable(slow, (3, 16, 16), batch_size=1)
stream = model.explain_many((np.full((3, 16, 16), i, np.float32) for i in range(100)), method="rise", passes=20)
print(next(stream).passes, flush=True)
if sys.argv[1] == "dropped":
    del stream
"""


@pytest.mark.parametrize("how", ["kept", "dropped"])
def test_a_process_ends_where_images_are_left(how):
    done = subprocess.run([sys.executable, "-c", LEFT, how], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "21\n", "")


def test_many_explanations_take_no_memory(model, pixels):
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # noqa: E731
    for found in model.explain_many((pixels for _ in range(50)), at_once=4):
        del found
    gc.collect()
    before = peak()
    for found in model.explain_many((pixels for _ in range(500)), at_once=4):
        del found
    for _ in range(200):
        model.explain(pixels)
    assert peak() - before < 30_000, "in KiB"
