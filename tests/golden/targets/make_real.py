"""A real detector on a real photo: `python make_real.py CACHE`, with the folder that `cargo xtask fetch` fills.

Writes `real.json` and `real.npy`, of the form of `cases.json` and `maps.npy`: the detections of SSD-MobileNetV2 in a
photo, and Score-CAM of the first one with few masks. Needs numpy, onnx, onnxruntime and pillow. What numbers mean is in
`readers.py`, Score-CAM is `../reference.py`, and the photo becomes the input here, by Pillow.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import readers  # noqa: E402
import reference  # noqa: E402
from store import Values, write_index  # noqa: E402

MODEL, LAYER, PHOTO = "models/ssd_mobilenet_v2", "expanded_conv_13/expand", "photos/coffee.png"
OUTPUT = readers.Output(
    kind="detections", format="ssd", boxes="boxes", class_scores="scores", box_form="cxcywh", activated=True
)
SIZE = (300, 300)
# Score-CAM with few masks: the ones that vary most.
SETTINGS = ["select=std", "select_count=8"]
PRESETS = ["official", "paper"]


def main(cache):
    session = with_layer(Path(cache) / f"{MODEL}.onnx")
    photo = Image.open(Path(cache) / PHOTO).convert("RGB")
    pixels = np.asarray(photo.resize(SIZE, Image.BILINEAR), np.float32).transpose(2, 0, 1)
    image = ((pixels / 255 - 0.5) / 0.5).astype(np.float32)

    def raw(batch):
        return dict(zip(["boxes", "scores"], session.run(["boxes", "scores"], {"image": batch.astype(np.float32)})))

    own = raw(image[None])
    features = session.run([LAYER], {"image": image[None]})[0][0]
    value = readers.target("box:0", OUTPUT, own, SIZE)
    study = reference.Study(features, image, lambda batch: np.array([[value(raw(batch))]]), 0, "softmax")
    maps, rows = Values(HERE / "real.npy"), []
    for preset in PRESETS:
        found = reference.explain(study, reference.options(preset, SETTINGS))
        rows.append({"method": "score-cam", "preset": preset, "set": SETTINGS, **maps.add(found, 4)})
    row = {"model": f"{MODEL}.toml", "manifest": "", "input": PHOTO}
    case = {"name": "box:0", **row, "layer": LAYER, "target": "box:0", "value": float(value(own)), "maps": rows}
    listed = readers.detections(readers.candidates(own, OUTPUT, SIZE), OUTPUT)
    # In pixels of the photo.
    scale = np.array([photo.width / SIZE[1], photo.height / SIZE[0]] * 2)
    listed = [[*(np.array(one[:4]) * scale).tolist(), *one[4:]] for one in listed]
    maps.save()
    write_index({"cases": [case], "detections": [{"name": "all", **row, "detections": listed}]}, HERE / "real.json")


def with_layer(file):
    """A session of the model that gives its layer, too."""
    model = onnx.load(file)
    model.graph.output.append(onnx.helper.make_tensor_value_info(LAYER, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


if __name__ == "__main__":
    main(*sys.argv[1:])
