"""Runs baked models by ONNX Runtime's Python package and by OpenVINO: `run.py IMAGES.npy MODEL.onnx OUT.npy`.

The model has to pass ONNX's checker, OpenVINO's map has to be ONNX Runtime's within 1e-5, and that map is written to OUT.npy.
"""

import sys

import numpy as np
import onnx
import onnxruntime
import openvino

images, model, out = sys.argv[1:]
images = np.load(images)
onnx.checker.check_model(model, full_check=True)

options = onnxruntime.SessionOptions()
options.log_severity_level = 3  # that an input has a default is no reason for a warning
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = next(i.name for i in session.get_inputs() if i.name != "saliency_class")
maps = session.run(["saliency_map"], {name: images})[0]

compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
feed = {name: images}
if any("saliency_class" in i.get_names() for i in compiled.inputs):
    feed["saliency_class"] = np.array([-1], np.int64)
output = next(o for o in compiled.outputs if "saliency_map" in o.get_names())
difference = np.abs(compiled(feed)[output] - maps).max()
assert difference < 1e-5, f"OpenVINO's map differs by {difference}"
np.save(out, maps)
