"""Errors are Python's own, in one line that names the thing; what a callback raises comes out as itself."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import scorecam


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (LookupError, "no-such", {"layer": "no-such"}),
        (LookupError, "no-such", {"method": "no-such"}),
        (LookupError, "no-such", {"preset": "no-such"}),
        (LookupError, "no_such", {"no_such": 1}),
        (TypeError, "its name is 'batch_size'", {"batchSize": 3}),
        (LookupError, "badger", {"target": "badger"}),
        (LookupError, "detections has no 'iou'", {"detections": {"iou": 1}}),
        (ValueError, "class 5", {"target": 5}),
        (ValueError, "class -1", {"target": -1}),
        (ValueError, "top:no", {"target": "top:no"}),
        (ValueError, "no target", {"target": []}),
        (TypeError, "float", {"target": 1.5}),
        (TypeError, "True", {"target": True}),
        (ValueError, "eps", {"eps": "much"}),
        (ValueError, "batch size must be at least 1", {"batch_size": 0}),
        (ValueError, "fuse", {"fuse": "least"}),
        (ValueError, "time_limit", {"time_limit": -1.0}),
        (NotImplementedError, "gradients", {"method": "layer-cam"}),
        (TypeError, "layer of type int", {"layer": 3}),
    ],
)
def test_wrong_arguments_are_named(model, pixels, kind, words, arguments):
    with pytest.raises(kind) as raised:
        model.explain(pixels, **arguments)
    assert words in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (LookupError, "no-such", {"layer": "no-such"}),
        (LookupError, "no-such", {"backend": "no-such"}),
        (LookupError, "no_such", {"settings": {"no_such": 1}}),
        (ValueError, "threads must be between 1 and 1024, got 0", {"threads": 0}),
        (NotImplementedError, "tpu", {"device": "tpu"}),
        (ValueError, "inputs", {"manifest": {"input": {"inputs": 1}}}),
        (ValueError, "2 names", {"manifest": {"model": {"labels": ["a", "b"]}}}),
        (FileNotFoundError, "no-such.toml", {"manifest": "no-such.toml"}),
        (TypeError, "object", {"manifest": {"input": {"mean": object()}}}),
    ],
)
def test_what_cannot_be_loaded_is_named(onnx, kind, words, arguments):
    with pytest.raises(kind) as raised:
        scorecam.load_model(onnx, **arguments)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such.onnx"):
        scorecam.load_model("no-such.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(RuntimeError, match="empty.onnx"):
        scorecam.load_model(tmp_path / "empty.onnx")
    with pytest.raises(OSError, match="has no plugins"):
        scorecam.load_plugin(tmp_path)
    with pytest.raises(ValueError, match="net"):
        scorecam.from_bytes(b"", name="net")


class Peculiar(Exception):
    pass


def raising(after, error):
    """A model whose functions raise at the batch of this number."""
    calls = [0]

    def function(images):
        calls[0] += 1
        if calls[0] > after:
            raise error
        return images.mean(axis=(2, 3))

    return scorecam.from_callable(function, (3, 16, 16), activations=lambda images: images, batch_size=1)


def test_exceptions_of_a_model_come_out_as_themselves(spot):
    with pytest.raises(Peculiar, match="at once"):
        raising(0, Peculiar("at once"))
    model = raising(20, Peculiar("later"))
    with pytest.raises(Peculiar, match="later"):
        for _ in range(20):
            model.explain(spot)


def test_exceptions_of_a_progress_function_come_out_as_themselves(model, pixels):
    seen = []

    def progress(now):
        seen.append(now)
        if now.passes:
            raise Peculiar("enough")

    with pytest.raises(Peculiar, match="enough"):
        model.explain(pixels, progress=progress, batch_size=1)
    assert seen[0].stage == "forward" and seen[-1].passes == 1
    reports = []
    found = model.explain(pixels, progress=reports.append)
    assert reports[-1] == ("done", found.passes, reports[-1].expected)


def test_a_bar_shows_the_passes(model, pixels, capsys):
    pytest.importorskip("tqdm")
    model.explain(pixels, progress=True)
    assert "pass" in capsys.readouterr().err


class Slow:
    """A model of which each pass takes a while, and that knows when it ran."""

    def __init__(self):
        self.ran = []
        self.model = scorecam.from_callable(self, (3, 16, 16), batch_size=1)

    def __call__(self, images):
        time.sleep(0.01)
        self.ran.append(time.monotonic())
        return images.mean(axis=(2, 3))

    def passes_after_an_interrupt(self, call):
        sent = []

        def send():
            while len(self.ran) < 20:
                time.sleep(0.01)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        del self.ran[:]
        thread = threading.Thread(target=send)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            call(self.model)
        thread.join()
        time.sleep(0.1)
        return sum(at > sent[0] for at in self.ran)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent another way")
def test_an_interrupt_ends_calls_at_once(spot):
    slow = Slow()
    assert slow.passes_after_an_interrupt(lambda model: model.explain(spot, method="rise", passes=4000)) < 40
    many = slow.passes_after_an_interrupt(lambda model: list(model.explain_many([spot] * 4, method="rise", passes=4000)))
    assert many < 60
    assert slow.model.explain(spot, method="rise", passes=10).passes == 11


def test_other_threads_run_meanwhile(model, pixels):
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    model.explain(pixels, method="rise", passes=3000)
    end = time.monotonic()
    done.set()
    thread.join()
    assert sum(begin < at < end for at in ticks) > 2


def test_threads_share_a_model(model, pixels, channels, spot):
    for one, image in ((model, pixels), (channels, spot)):
        expected, found = one.explain(image).map, [None] * 4

        def explain(i, one=one, image=image, found=found):
            found[i] = one.explain(image).map

        threads = [threading.Thread(target=explain, args=(i,)) for i in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert all(np.array_equal(each, expected) for each in found)


FORK = """
import os, sys
import numpy as np
import scorecam
model = scorecam.load_model(sys.argv[1], threads=1)
image = np.zeros((32, 32, 3), np.uint8)
model.explain(image)
child = os.fork()
if child == 0:
    try:
        model.explain(image)
    except RuntimeError as why:
        print(why, flush=True)
        os._exit(3)
    os._exit(4)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_is_told_to_load_again(onnx):
    done = subprocess.run([sys.executable, "-c", FORK, str(onnx)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "load it in the child" in done.stdout, done.stderr
