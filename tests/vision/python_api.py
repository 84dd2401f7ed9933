"""Uses the Python module as a program would: python_api.py PLUGIN MODEL ONNX-PLUGIN DETECTOR INPUT. Prints "right", or
raises. The detector's INPUT is a raw file of 32-bit floats [3, 32, 32]."""

import array
import copy
import os
import signal
import sys
import threading

import scorecam

plugin, model_path, onnx_plugin, detector_path, input_path = sys.argv[1:]
host = scorecam.Host([plugin])
model = host.load_model(model_path)
del host
assert model.backend == "toy" and model.backend_reason is None
assert scorecam.version().count(".") == 2
assert [shape for _, _, shape in model.layers() if len(shape) == 3], "layers have shapes"

values = array.array("f", [((i * 37) % 101) / 50 - 1 for i in range(3 * 32 * 32)])
tensor = scorecam.Tensor(memoryview(values).cast("B").cast("f", [3, 32, 32]))
found = model.explain(tensor, [3, 1], options={"weight_norm": "softmax"})
assert len(found) == 2 and found.target(1).class_index == 1 and 0 <= found.target(0).score <= 1
assert [target.text for target in found.targets] == ["class:3", "class:1"]
assert found.target().label is None and found.target().box is None and found.target().box_score is None
assert found.map(1).shape == (32, 32) and found.map(0).format == "f"
assert max(found.map(0)[y, x] for y in range(32) for x in range(32)) == 1.0
assert found.passes > 1 and found.layer and isinstance(found.warnings, list)
assert found.measures["channels"] >= found.measures["live-maps"] > 0 and "estimated-error" not in found.measures
quick = model.explain(tensor, [3], method="score-cam-adaptive", options={"passes": "8"})
assert quick.passes == 1 + 8 and 0 < quick.measures["estimated-error"] <= 1

# Targets in words.
asked = model.explain(tensor, targets=["contrast:3-1", "not:3"], options={"weight_norm": "softmax"}).targets
assert [target.text for target in asked] == ["contrast:3-1", "not:3"]
outputs = [target.output for target in found.targets]
assert abs(asked[0].output - (outputs[0] - outputs[1])) < 1e-5 and asked[0].class_index == 3
assert abs(asked[1].output + outputs[0]) < 1e-5 and asked[1].class_index is None

# Boxes of a detector.
detector = scorecam.Host([onnx_plugin]).load_model(detector_path)
with open(input_path, "rb") as file:
    street = scorecam.Tensor(memoryview(file.read()).cast("f", [3, 32, 32]))
boxes = detector.explain(street).targets
assert boxes and [target.text for target in boxes] == [f"box:{i}" for i in range(len(boxes))]
for target in boxes:
    left, top, right, bottom = target.box
    assert left < right and top < bottom and 0.25 < target.box_score <= 1 and target.class_index is not None
least = boxes[0].box_score - 1e-6
best = detector.explain(street, targets=["boxes"], min_score=least)
assert len(best) == 1 and best.target().box == boxes[0].box and best.map().shape == (32, 32)

# The photo's own values: rows of one gray each, as gray and as RGB.
gray = bytes(y * 4 for y in range(40) for _ in range(50))
as_gray = scorecam.Photo(memoryview(gray).cast("B", [40, 50]), format="GRAY")
as_rgb = scorecam.Photo(bytes(v for v in gray for _ in range(3)), 50, 40)
assert (as_gray.width, as_gray.height) == (50, 40)
maps = [bytes(model.explain(photo).map()) for photo in (as_gray, as_rgb)]
assert maps[0] == maps[1]
assert model.explain(as_gray).overlay(as_gray, opacity=0.0) == as_rgb._pixels


# Where the evidence lies, in pixels of the photo.
found = model.explain(as_gray)
[box], every = found.boxes(threshold=0.6), found.boxes(threshold=0.6, all_areas=True)
assert every[0] == box and 0 <= box.rect[0] < box.rect[2] <= 50 and 0 < box.energy <= 1
left = found.region((0, 0, 25, 40))
assert left.share == 0.5 and 0 < left.energy < 1 and abs(left.lift - 2 * left.energy) < 1e-12
mask = scorecam.Photo(bytes(255 if x < 25 else 0 for _ in range(40) for x in range(50)), 50, 40, format="GRAY")
assert found.region(mask=mask) == left and found.region((0, 0, 9, 9), (0, 0, 25, 40)) == left
assert found.region((0, 0, 50, 40)).energy == 1.0


def refused(call, kind, words):
    try:
        call()
    except kind as error:
        assert words in str(error), error
        return error
    raise AssertionError(f"nothing was raised that says {words!r}")


def stumble(passes, expected):
    raise KeyError("a progress function's own")


error = refused(lambda: model.explain(as_rgb, progress=lambda passes, expected: True), scorecam.Error, "")
assert error.status_name == "SCORECAM_ERR_CANCELLED"
refused(lambda: model.explain(as_rgb, progress=stumble), KeyError, "a progress function's own")
refused(lambda: model.explain(as_rgb, [77]), scorecam.Error, "77")

# Ctrl-C ends a call, with a progress function and without, and the next call goes on as if nothing had been.
for progress in (lambda passes, expected: False, None):
    interrupt = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    try:
        while True:
            model.explain(as_rgb, progress=progress)
    except KeyboardInterrupt:
        interrupt.join()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
refused(lambda: model.explain(as_rgb, time_limit=1e-9).map(), scorecam.Error, "time limit")
refused(lambda: model.explain(as_rgb, targets=["weather"]), scorecam.Error, "weather")
refused(lambda: model.explain(as_rgb, method="no-cam"), scorecam.Error, "no-cam")
refused(lambda: found.boxes(threshold=2), scorecam.Error, "options.threshold is 2")
refused(lambda: found.region((50, 0, 55, 40)), scorecam.Error, "the object lies outside the model's input")
refused(lambda: found.region(), scorecam.Error, "give one of them")
refused(lambda: model.class_index("zebra"), scorecam.Error, "zebra")
refused(lambda: scorecam.Host(["nowhere.so"]), scorecam.Error, "nowhere.so")
refused(lambda: scorecam.Photo(b"12345", 2, 1), ValueError, "5 bytes are no 2x1 pixels")
refused(lambda: scorecam.Photo(b"123"), ValueError, "the buffer has no height and width; give both")
refused(lambda: scorecam.Photo(b"123", width=1), ValueError, "give both")
for copied in (copy.copy, copy.deepcopy):
    refused(lambda: copied(model), TypeError, "a Model owns its handle and is not copied")
refused(lambda: scorecam.Tensor(b"1234"), ValueError, "32-bit floats")

together = [None] * 4


def explain_into(index):
    together[index] = bytes(model.explain(as_rgb).map())


threads = [threading.Thread(target=explain_into, args=(i,)) for i in range(len(together))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert set(together) == {maps[0]}, "threads get what one gets"
print("right")
