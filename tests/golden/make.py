"""Makes the golden maps: `python make.py --help`. Needs numpy; the real models also onnx, onnxruntime, pillow.

Writes `toy.json` and `onnx.json`, indexes with one row for each explanation, and the files they name. The
README beside this file says what a row holds. Everything is made from fixed seeds: a second run writes the
same bytes for the toy network, and the same maps up to the runtime's rounding for the real models.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import common_features
import grad_cam
import group_cam
import heads
import rise
from reference import PRESETS, Study, explain, options, read_options
from toy import Toy

HERE = Path(__file__).parent
TOYS = ["plain", "hard", "softmax", "grey", "wide"]

# One option changed at a time, or as few as make the change visible: model, layer, settings.
FREE = "combine=raw"  # leaves the final resize something to do
VARIATIONS = [
    ("plain", "features", ["score=logit"]),
    ("plain", "features", ["score=sigmoid"]),
    ("softmax", "features", ["score=logit"]),
    ("sigmoid", "features", ["score=sigmoid"]),
    ("sigmoid", "features", ["score=logit"]),
    ("plain", "features", ["noise=0.7", "draws=3", "seed=5"]),
    ("hard", "features", ["noise=0.5", "draws=2", "steps=2", "flat=keep"]),
    ("plain", "features", ["steps=4", "score=logit"]),
    ("plain", "features", ["steps=3", "strengths=summed"]),
    ("plain", "features", ["fill=blur", "baseline=fill", "blur_sigma=3"]),
    ("plain", "features", ["baseline=zero"]),
    ("plain", "features", ["baseline=input", "weight_norm=softmax"]),
    ("plain", "features", ["baseline=image", "post_relu=false"]),
    ("plain", "features", ["fill=image"]),
    ("hard", "features", ["fill=image", "flat=keep", "baseline=image", "post_relu=false"]),
    ("plain", "features", ["fill=blur"]),
    ("plain", "features", ["fill=blur", "blur_sigma=2.5"]),
    ("plain", "features", ["weight_norm=softmax"]),
    ("plain", "features", ["weight_norm=relu", "baseline=zero", "score=logit"]),
    ("hard", "features", ["weight_norm=one"]),
    ("hard", "features", ["weight_norm=softmax", "score=logit"]),
    ("plain", "features", ["upsample=align-corners"]),
    ("plain", "features", ["upsample=bicubic"]),
    ("plain", "features", ["upsample=mirror"]),
    ("plain", "features", ["upsample=nearest"]),
    ("hard", "features", ["upsample=bicubic", "norm_stage=before"]),
    ("plain", "features", ["norm_stage=before"]),
    ("plain", "conv2", ["norm=range"]),
    ("plain", "features", ["eps=0.5"]),
    ("hard", "features", ["flat=zero", "norm=range", "final=none"]),
    ("hard", "features", ["flat=keep", "norm=range", "final=none"]),
    ("hard", "features", ["flat=keep", "norm=range", "final=none", "eps=0.5"]),
    ("plain", "conv2", ["pre_relu=false"]),
    ("plain", "conv2", ["pre_relu=true"]),
    ("plain", "conv2", ["post_relu=false"]),
    ("plain", "relu1", ["norm=minmax"]),
    ("plain", "features", ["select=std", "select_count=5"]),
    ("hard", "features", ["select=max", "select_count=7"]),
    ("plain", "features", ["select=list", "select_list=3,11,4"]),
    ("plain", "features", ["combine=raw"]),
    ("plain", "features", ["combine=normalized"]),
    ("plain", "features", ["reduce=max"]),
    ("plain", "features", ["reduce=principal"]),
    ("plain", "conv2", ["reduce=principal", "combine=raw", "post_relu=false"]),
    ("plain", "conv2", ["bias=0.5"]),
    ("plain", "features", ["final=max"]),
    ("plain", "features", ["final=none"]),
    ("plain", "features", ["final_eps=0.5"]),
    ("plain", "features", ["output=layer", FREE]),
    ("plain", "features", ["output=20x28", FREE]),
    ("plain", "features", ["output=20x28"]),
    ("wide", "features", ["output=48x16", FREE, "resize=bicubic"]),
    ("plain", "features", ["resize=align-corners", FREE]),
    ("plain", "features", ["resize=bicubic", FREE]),
    ("plain", "features", ["resize=mirror", FREE]),
    ("plain", "features", ["resize=nearest", FREE]),
    ("plain", "features", ["order=norm-resize", FREE, "resize=bicubic"]),
    ("plain", "features", ["order=norm-resize-norm", FREE, "resize=bicubic"]),
]

# Several layers, and the mirrored image: layers, settings, how they are fused, whether the image is mirrored.
FUSED = [
    ("relu1,features", [], "mean", False),
    ("relu1,conv2,features", ["score=logit"], "max", False),
    ("conv2,features", [], "product", False),
    ("features", [], "mean", True),
    ("relu1,features", ["post_relu=false"], "product", True),
]

# The same for Grad-CAM, on models that offer gradients.
GRAD_CAM_TOYS = ["slopes", "slopes-softmax"]
GRAD_CAM_VARIATIONS = [
    ("slopes", "conv2", ["post_relu=false"]),
    ("slopes", "relu1", []),
    ("slopes", "conv2", ["reduce=principal"]),
    ("slopes", "conv1", []),
    ("slopes", "features", ["final=none"]),
    ("slopes", "features", ["final=max"]),
    ("slopes", "conv2", ["final_eps=0.5"]),
    ("slopes", "features", ["output=layer"]),
    ("slopes", "features", ["output=20x28", "resize=bicubic"]),
    ("slopes", "features", ["resize=half-pixel"]),
    ("slopes", "features", ["resize=mirror"]),
    ("slopes", "features", ["resize=nearest"]),
    ("slopes", "features", ["order=norm-resize", "resize=bicubic"]),
    ("slopes", "features", ["order=norm-resize-norm", "resize=bicubic"]),
    ("slopes-softmax", "conv2", []),
]

# The same for methods that run the part behind a layer, on models that offer this and no gradients.
HEAD_TOYS = ["heads", "heads-softmax"]
HEAD_VARIATIONS = [
    ("heads", "conv2", "recipro-cam", ["score=logit", "final=none"]),
    ("heads", "relu1", "recipro-cam", ["kernel=gaussian"]),
    ("heads", "features", "recipro-cam", ["score=sigmoid", "resize=bicubic"]),
    ("heads", "conv2", "ablation-cam", ["weight=difference"]),
    ("heads", "conv2", "ablation-cam", ["reduce=principal"]),
    ("heads", "relu1", "ablation-cam", ["score=softmax", "final=max"]),
    ("heads", "conv1", "ablation-cam", ["weight=difference", "output=layer"]),
    ("heads", "features", "cam", ["final=none"]),
    ("heads", "features", "grad-cam", ["final=none"]),
    ("heads", "features", "xgrad-cam", ["post_relu=false"]),
]

# The other methods: presets on the layer `features` of a model, then single options.
METHODS = {**common_features.METHODS, **rise.METHODS, **group_cam.METHODS}

# What presets are made with that take too long as they are.
FEWER = {"rise": ["passes=150"], "group-cam": ["groups=5"]}
METHOD_TOYS = ["plain", "wide"]
METHOD_VARIATIONS = [
    ("eigen-cam", "plain", "conv2", ["final=none", "post_relu=false"]),
    ("eigen-cam", "hard", "features", []),
    ("eigen-cam", "plain", "relu1", ["center=false"]),
    ("kpca-cam", "plain", "conv2", ["kernel=linear", "final=none", "post_relu=false"]),
    ("kpca-cam", "plain", "conv2", ["kernel=poly"]),
    ("kpca-cam", "plain", "conv2", ["kernel=rbf", "gamma=0.05"]),
    ("kpca-cam", "plain", "conv2", ["kernel=cosine", "final=none"]),
    ("kpca-cam", "plain", "features", ["gamma=0.3"]),
    ("fem", "plain", "conv2", ["post_relu=false", "deviations=1"]),
    ("fem", "plain", "relu1", ["sum=cells", "deviations=0.5"]),
    ("rise", "grey", "features", ["passes=40", "seed=77", "cells=5", "final=none"]),
    ("rise", "plain", "features", ["passes=40", "score=logit", "center=true", "post_relu=false"]),
    ("rise", "wide", "features", ["passes=40", "grid=padded", "upsample=half-pixel", "fill=blur", "probability=0.4"]),
    ("group-cam", "hard", "features", ["groups=4"]),
    ("group-cam", "plain", "conv2", ["groups=6", "blur_sigma=4"]),
    ("group-cam", "plain", "features", ["groups=3", "fill=zero", "weight_norm=none", "baseline=none"]),
    ("occlusion", "plain", "features", ["patch=8", "stride=3", "fill=blur", "blur_sigma=3"]),
    ("occlusion", "wide", "features", ["patch=7", "border=inside", "post_relu=false"]),
    ("occlusion", "grey", "features", ["patch=9", "stride=9", "overlap=sum", "output=20x28"]),
]
# The channels of presets that score each of them many times, and methods with preset and options, on the real models.
REAL_FEWER = {
    "ss-cam": ["select=std", "select_count=6", "draws=3"],
    "is-cam": ["select=std", "select_count=6", "steps=4"],
}
REAL_METHODS = [
    ("eigen-cam", "standard", []),
    ("eigen-cam", "paper", []),
    ("kpca-cam", "pytorch-grad-cam", []),
    ("fem", "standard", []),
    ("fem", "paper", []),
    ("rise", "official", ["passes=60"]),
    ("rise", "vision-explanation-methods", ["passes=40"]),
    ("occlusion", "standard", ["patch=64", "stride=48"]),
    ("group-cam", "standard", ["groups=12"]),
]

# Real models see an exact crop of the photo (left, top, side), so no resize filter enters the comparison.
# Preprocessing: channels in `order`, then (value - mean) / scale, values 0..255.
REAL = {
    "efficientnet-lite0": {"left": 120, "top": 40, "side": 224, "order": "rgb", "mean": [127.0] * 3, "scale": 128.0},
    "squeezenet1_1": {
        "left": 120, "top": 40, "side": 227, "order": "bgr", "mean": [103.939, 116.779, 123.68], "scale": 1.0,
    },
}
STRIDE = 4  # every 4th row and column of a large map is kept
METHOD_STRIDE = 12  # the same for methods other than Score-CAM


def main():
    parser = argparse.ArgumentParser(description="Makes the golden maps of the toy network and of real models.")
    for name in REAL:
        parser.add_argument(f"--{name}", metavar="ONNX", type=Path)
    parser.add_argument("--photo", type=Path, help="chelsea.png of scikit-image; needed for the real models")
    parser.add_argument("--keep", action="store_true", help="keep rows of real models that are there, by their names")
    arguments = vars(parser.parse_args())
    make_toy()
    models = {name: arguments[name.replace("-", "_")] for name in REAL}
    if all(models.values()) and arguments["photo"]:
        make_real(models, arguments["photo"], kept_maps() if arguments["keep"] else {})


class Maps:
    """The maps of one model, one after the other in one .npy file, and the index rows that point into it."""

    def __init__(self, file):
        self.file, self.values, self.rows = file, [], []

    def add(self, row, saliency, stride, tolerance):
        """Keeps every `stride`-th row and column of a map."""
        saliency = saliency.astype(np.float32)
        if np.ptp(saliency) == 0:
            raise ValueError(f"the map of {row['name']!r} is constant and would test nothing")
        stride = stride if min(saliency.shape) > 4 * stride else 1
        row["tolerance"] = tolerance * max(1.0, float(np.abs(saliency).max()))
        row["expected"] = self.keep(saliency, stride)
        self.rows.append(row)

    def add_again(self, row, values):
        """A map of an earlier run."""
        row["expected"].update(file=self.file, offset=sum(map(len, self.values)))
        self.values.append(values)
        self.rows.append(row)

    def add_errors(self, errors, stride):
        """Standard errors of the map that was added last."""
        self.rows[-1]["errors"] = self.keep(errors.astype(np.float32), stride)

    def keep(self, values, stride):
        place = {"file": self.file, "offset": sum(map(len, self.values)), "shape": values.shape, "stride": stride}
        self.values.append(values[::stride, ::stride].ravel())
        return place

    def save(self):
        np.save(HERE / self.file, np.concatenate(self.values))


def make_toy():
    models = {name: ToyGolden(name) for name in [*TOYS, "sigmoid", *GRAD_CAM_TOYS, *HEAD_TOYS]}
    for name in TOYS:
        for preset in PRESETS:
            models[name].add(preset, "features", [])
    for name, layer, settings in VARIATIONS:
        models[name].add("official", layer, settings)
    for layers, settings, fuse, augment in FUSED:
        models["plain"].add_fused(layers, settings, fuse, augment)
    for name in GRAD_CAM_TOYS:
        for preset in grad_cam.PRESETS:
            models[name].add_grad_cam(preset, "features", [])
    for name, layer, settings in GRAD_CAM_VARIATIONS:
        models[name].add_grad_cam("official", layer, settings)
    for name in GRAD_CAM_TOYS:
        for method, (_, presets, _) in grad_cam.RELATED.items():
            for preset in presets:
                models[name].add_related(method, preset, "conv2", [])
            if name == "slopes" and method in ("layer-cam", "hires-cam"):
                models[name].add_related(method, "paper", "conv2", ["reduce=principal"])
    for method, presets in heads.PRESETS.items():
        for preset in presets:
            models["heads"].add_head(method, preset, "features", [])
    for preset in heads.PRESETS["recipro-cam"]:
        models["heads-softmax"].add_head("recipro-cam", preset, "features", [])
    for name, layer, method, settings in HEAD_VARIATIONS:
        models[name].add_head(method, next(iter(heads.PRESETS[method])), layer, settings)
    for method, (_, presets, _) in METHODS.items():
        for name in METHOD_TOYS:
            for preset in presets:
                models[name].add_method(method, preset, "features", FEWER.get(method, []))
    for method, name, layer, settings in METHOD_VARIATIONS:
        models[name].add_method(method, first_preset(method), layer, settings)
    for model in models.values():
        model.maps.save()
    write_index("toy.json", {"cases": [row for model in models.values() for row in model.maps.rows]})


class ToyGolden:
    """One toy model with its input, reference image and maps."""

    def __init__(self, name):
        self.name, self.toy, self.maps = name, Toy(HERE / f"toy/{name}.toy"), Maps(f"toy/{name}.maps.npy")
        shape = (self.toy.channels, *self.toy.size)
        self.files = {"input": f"toy/input{shape_name(shape)}.npy", "reference": f"toy/reference{shape_name(shape)}.npy"}
        self.image, self.reference = toy_image(shape, seed=1), toy_image(shape, seed=2)
        np.save(HERE / self.files["input"], self.image)
        self.activations = {layer: maps[0] for layer, maps in self.toy.taps(self.image[None]).items()}
        self.scores = self.toy.forward(self.image[None])[0]

    def add(self, preset, layer, settings):
        needs_reference = any(s in ("baseline=image", "fill=image") for s in settings)
        if needs_reference:
            np.save(HERE / self.files["reference"], self.reference)
        row = self.row(preset, layer, settings)
        row["reference"] = self.files["reference"] if needs_reference else None
        study = Study(
            self.activations[layer], self.image, self.toy.forward, row["class"], self.toy.ending, self.reference
        )
        self.maps.add(row, explain(study, options(preset, settings)), stride=1, tolerance=2e-5)

    def add_fused(self, layers, settings, fuse, augment):
        """Score-CAM by several layers, and of the mirrored image: the mean of both, each fused value by value."""

        def fused(image):
            taps, o = self.toy.taps(image[None]), options("official", settings)
            study = [Study(taps[l][0], image, self.toy.forward, row["class"], self.toy.ending) for l in layers.split(",")]
            return {"mean": np.mean, "max": np.max, "product": np.prod}[fuse]([explain(s, o) for s in study], axis=0)

        row = {**self.row("official", layers, settings), "fuse": fuse, "augment": augment}
        row["name"] = f"{row['name']} {fuse}{' augment' if augment else ''}"
        saliency = fused(self.image)
        if augment:
            saliency = (saliency + fused(np.ascontiguousarray(self.image[..., ::-1]))[..., ::-1]) / 2
        self.maps.add(row, saliency, stride=1, tolerance=2e-5)

    def add_grad_cam(self, preset, layer, settings):
        row = {"method": "grad-cam", **self.row(preset, layer, settings)}
        row["name"] = "grad-cam " + row["name"]
        activations = self.activations[layer]
        slopes = grad_cam.slopes(lambda a: self.toy.scores_from(layer, a), activations, row["class"])
        o = read_options(grad_cam.Options, grad_cam.PRESETS[preset], settings)
        saliency = grad_cam.explain(activations, slopes, self.image.shape[1:], o)
        self.maps.add(row, saliency, stride=1, tolerance=2e-5)

    def add_related(self, method, preset, layer, settings):
        row = self.row(preset, layer, settings)
        row = {"method": method, **row, "name": f"{method} {row['name']}"}
        kind, presets, _ = grad_cam.RELATED[method]
        activations = self.activations[layer]
        slopes = grad_cam.slopes(lambda a: self.toy.scores_from(layer, a), activations, row["class"])
        o = read_options(kind, presets[preset], settings)
        saliency = grad_cam.explain_related(method, activations, slopes, self.image.shape[1:], o)
        self.maps.add(row, saliency, stride=1, tolerance=2e-5)

    def add_head(self, method, preset, layer, settings):
        row = self.row(preset, layer, settings)
        row = {"method": method, **row, "name": f"{method} {row['name']}"}
        study = heads.Study(
            self.activations[layer], lambda a: self.toy.scores_from(layer, a), row["class"], self.image.shape[1:],
            self.toy.ending,
        )
        o = read_options(heads.OPTIONS[method], heads.PRESETS[method][preset], settings)
        # Differences in f32 have fewer digits than the rest.
        tolerance = 2e-4 if method in ("grad-cam", "xgrad-cam") else 2e-5
        self.maps.add(row, heads.explain(method, study, o), stride=1, tolerance=tolerance)

    def add_method(self, method, preset, layer, settings):
        row = {"method": method, **self.row(preset, layer, settings)}
        row["name"] = f"{method} {row['name']}"
        study = Study(self.activations[layer], self.image, self.toy.forward, row["class"], self.toy.ending)
        self.maps.add(row, method_map(method, study, preset, settings), stride=1, tolerance=1e-5)
        if method == "rise":
            self.maps.add_errors(rise.rise_errors(study, read_options(rise.RiseOptions, METHODS["rise"][1][preset], settings)), 1)

    def row(self, preset, layer, settings):
        target = int(self.scores.argmax())
        return {
            "name": " ".join([self.name, preset, layer, *settings]), "model": f"toy/{self.name}.toy",
            "input": self.files["input"], "reference": None,
            "layer": layer, "class": target, "output": float(self.scores[target]),
            "preset": preset, "set": settings,
        }


def first_preset(method):
    return next(iter(METHODS[method][1]))


def method_map(method, study, preset, settings):
    kind, presets, explain_by = METHODS[method]
    return explain_by(study, read_options(kind, presets[preset], settings))


def toy_image(shape, seed):
    """A bright spot on noise, in multiples of 1/64 so that it has one exact value everywhere."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[1], 0 : shape[2]]
    centre = random.uniform(0.3, 0.7, 2) * shape[1:]
    spot = 2 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 40)
    return (np.round((random.normal(0, 0.5, shape) + spot) * 64) / 64).astype(np.float32)


def shape_name(shape):
    return "-" + "x".join(map(str, shape))


def kept_maps():
    """The maps of real models that are there: by name the row and its values."""
    index = json.loads((HERE / "onnx.json").read_text())
    files = {row["expected"]["file"]: np.load(HERE / row["expected"]["file"]) for row in index["cases"]}

    def values(expected):
        size = [-(-n // expected["stride"]) for n in expected["shape"]]
        return files[expected["file"]][expected["offset"] :][: size[0] * size[1]]

    return {row["name"]: (row, values(row["expected"])) for row in index["cases"]}


def make_real(paths, photo, kept):
    (HERE / "onnx").mkdir(exist_ok=True)
    rows = []
    for name, path in paths.items():
        image = real_input(photo, **REAL[name])
        model = TappedOnnx(path)
        scores, activations = model.scores_and_features(image)
        target = int(scores.argmax())
        study = Study(activations, image, model.forward, target)
        maps = Maps(f"onnx/{name}.maps.npy")
        row = {
            "model": name, "input": name, "reference": None, "layer": "features",
            "class": target, "output": float(scores[target]),
        }
        score_cam = [("score-cam", preset, REAL_FEWER.get(preset, [])) for preset in PRESETS]
        for method, preset, settings in score_cam + REAL_METHODS:
            is_score_cam = method == "score-cam"
            title = " ".join([*([] if is_score_cam else [method]), name, preset, *settings])
            if title in kept:
                maps.add_again(*kept[title])
                continue
            of_method = {"name": title, **({} if is_score_cam else {"method": method}), **row}
            if is_score_cam:
                saliency = explain(study, options(preset, settings))
            else:
                saliency = method_map(method, study, preset, settings)
            stride = STRIDE if is_score_cam else METHOD_STRIDE
            maps.add({**of_method, "preset": preset, "set": settings}, saliency, stride, tolerance=1e-4)
            print(f"{title}: {len(model.seen)} distinct passes so far", flush=True)
        behind = heads.Study(activations, head_of(path), target, image.shape[1:])
        for method, presets in heads.PRESETS.items():
            if method == "cam" and name == "squeezenet1_1":
                continue  # its classifier bends: a channel has no weight of its own
            for preset in presets:
                of_method = {"method": method, "name": f"{method} {name} {preset}", **row, "preset": preset, "set": []}
                o = read_options(heads.OPTIONS[method], presets[preset], [])
                # Differences in f32 are not quite the gradients that libtorch has, less so where a head bends.
                near = 5e-3 if name == "squeezenet1_1" else 5e-4
                maps.add(of_method, heads.explain(method, behind, o), STRIDE, tolerance=near if "grad" in method else 1e-4)
            print(f"{name} {method}", flush=True)
        maps.save()
        rows += maps.rows
    write_index("onnx.json", {"photo": "chelsea.png", "inputs": REAL, "cases": rows})


def real_input(photo, left, top, side, order, mean, scale):
    """The crop of the photo as a tensor [3, side, side], in float32 arithmetic throughout."""
    from PIL import Image

    pixels = np.asarray(Image.open(photo).convert("RGB"))[top : top + side, left : left + side]
    pixels = pixels[..., ::-1] if order == "bgr" else pixels
    tensor = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(scale)
    return np.ascontiguousarray(tensor.transpose(2, 0, 1))


def head_of(path):
    """The part of an ONNX model behind `features`, as onnx's own tool cuts it: activations to scores, some at a time."""
    import tempfile

    import onnx.utils
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        onnx.utils.extract_model(str(path), f"{folder}/head.onnx", ["features"], ["logits"])
        session = onnxruntime.InferenceSession(f"{folder}/head.onnx", providers=["CPUExecutionProvider"])

    def run(activations):
        parts = [activations[i : i + 64].astype(np.float32) for i in range(0, len(activations), 64)]
        return np.concatenate([session.run(["logits"], {"features": part})[0] for part in parts])

    return run


class TappedOnnx:
    """An ONNX model with its inner tensor `features` as second output; equal images are run once."""

    def __init__(self, path):
        import onnx
        import onnxruntime

        model = onnx.load(path)
        model.graph.output.append(onnx.ValueInfoProto(name="features"))
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.seen = {}

    def scores_and_features(self, image):
        scores, features = self.session.run(["logits", "features"], {"input": image[None]})
        return scores[0], features[0]

    def forward(self, batch):
        """Scores of one image [1, C, H, W]; presets that share masks share their passes."""
        key = hash(batch.tobytes())
        if key not in self.seen:
            self.seen[key] = self.session.run(["logits"], {"input": batch})[0]
        return self.seen[key]


def write_index(file, index):
    """JSON with one case a line, so that a change shows as the lines it touches."""
    cases = ",\n".join("  " + json.dumps(row) for row in index.pop("cases"))
    head = "".join(f' {json.dumps(key)}: {json.dumps(value)},\n' for key, value in index.items())
    (HERE / file).write_text(f'{{\n{head} "cases": [\n{cases}\n ]\n}}\n')


if __name__ == "__main__":
    main()
