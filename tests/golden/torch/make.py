"""Makes the small TorchScript models, the files that are none, and the golden values: `python make.py MODEL`.

MODEL is `resnet18_random.ts.pt`, as `cargo xtask fetch` or `models/resnet18_random.py` writes it. Needs
torch 2.13.0 and torchvision 0.28.0. The README beside this file says what a row of the index holds.

Values come from the eager modules, by hooks that hand on a clone of what they keep, since the next layer may
work in place; so they do not depend on what tracing and TorchScript make of a network. That both agree is
asserted for every model. Seeds are fixed; a second run on the same machine writes the same bytes.
"""

import io
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
import torchvision

import networks

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent
sys.path.insert(0, str(HERE.parents[2] / "models"))
from torchscript_file import write_zip  # noqa: E402

# Model -> layers whose values are kept, with the step between kept rows and columns.
RESNET_LAYERS = {"maxpool": 4, "layer1": 4, "layer4": 1, "layer4.1.conv2": 1, "layer4.1.bn2": 1}
SMALL_LAYERS = {
    "plain": ["conv1", "relu1", "conv2", "relu2"],
    "plain_scripted": ["conv1", "relu2"],
    "inplace": ["conv1", "relu1", "conv2", "norm", "relu2"],
    "modifies_input": ["conv2", "relu2"],
    "branches": ["conv1", "relu2"],
    "twice": ["conv1", "relu2"],
    "tuple": ["relu2"],
    "dict": ["relu2"],
    "named_tuple": ["relu2"],
    "writes_in_place": ["block", "block.conv"],
    "settings": ["joined", "joined.conv", "single.conv"],
}
RESNET_CLASS, SMALL_CLASS = 725, 3
# Largest error allowed in any value, as a part of the tensor's largest magnitude.
TOLERANCE = 1e-5


def main(resnet):
    torch.manual_seed(20)
    torch.set_num_threads(1)
    outputs, models = [], {}
    for stem, (network, form, batches) in networks.NETWORKS.items():
        model = network()
        scripted = to_torchscript(model, form, batches)
        save(scripted, HERE / f"{stem}.pt")
        models[stem] = model.eval()
        scripted.eval()
        outputs += [output_row(stem, model, scripted, batch) for batch in batches]
    not_torchscript(models["plain"])
    other_device()
    cases = []
    small = Values("torch/small.npy")
    for stem, layers in SMALL_LAYERS.items():
        batch = max(batch for batch in networks.NETWORKS[stem][2] if batch < 4)
        input = made_input([batch, 3, 16, 16], 4)
        cases += [case(f"torch/{stem}.pt", models[stem], input, (layer, 1, SMALL_CLASS), small) for layer in layers]
    small.write()
    cases += resnet_cases(resnet)
    index = {"tolerance": TOLERANCE, "inputs": list(INPUTS.values()), "outputs": outputs, "cases": cases}
    write_index(index, GOLDEN / "torch.json")


def resnet_cases(file):
    """The cases of ResNet-18, whose parameters are taken out of the TorchScript file."""
    scripted = torch.jit.load(file).eval()
    model = torchvision.models.resnet18(weights=None).eval()
    model.load_state_dict(scripted.state_dict())
    input = made_input([1, 3, 224, 224], 16)
    check_equal(file, scripted(input), model(input))
    values = Values("torch/resnet18_random.npy")
    cases = []
    for layer, stride in RESNET_LAYERS.items():
        cases.append(case("resnet18_random.ts.pt", model, input, (layer, stride, RESNET_CLASS), values))
    values.write()
    return cases


def case(file, model, input, tap, values):
    """One layer's activation, the gradient of a class, and the logits from half the activation."""
    layer, stride, label = tap
    kept = []

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept.append(output)
        return output.clone()

    hook = model.get_submodule(layer).register_forward_hook(keep)
    # An input that wants gradients can't be changed in place, and a layer before every parameter needs one.
    scores = scores_of(model(input.clone().requires_grad_().clone()))
    hook.remove()
    scores[:, label].sum().backward()
    (activation,) = kept
    hook = model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: output * 0.5)
    with torch.no_grad():
        halved = scores_of(model(input.clone()))
    hook.remove()
    return {
        "name": f"{Path(file).name.split('.')[0]} {layer}",
        "model": file,
        "input": INPUT_NAMES[tuple(input.shape)],
        "layer": layer,
        "class": label,
        "scores": values.add(scores, 1),
        "activation": values.add(activation, stride),
        "gradient": values.add(activation.grad, stride),
        "scores_from_half": values.add(halved, 1),
    }


def output_row(stem, model, scripted, batch):
    """The scores of one model on one batch."""
    input = made_input([batch, 3, 16, 16], 4)
    with torch.no_grad():
        scores = scores_of(model(input.clone()))
        check_equal(stem, scores_of(scripted(input.clone())), scores)
    rows = [[float(value) for value in row] for row in scores]
    return {"model": f"torch/{stem}.pt", "input": INPUT_NAMES[tuple(input.shape)], "scores": rows}


def scores_of(output):
    """The scores among what a network returns."""
    if isinstance(output, dict):
        return output["logits"]
    if isinstance(output, tuple):
        return getattr(output, "logits", output[0])
    return output


def check_equal(name, found, expected):
    error = float((found - expected).detach().abs().max())
    if error > 1e-6 * float(expected.detach().abs().max()):
        raise ValueError(f"TorchScript and eager PyTorch differ by {error} on {name}")


INPUTS, INPUT_NAMES = {}, {}


def made_input(shape, cell):
    """Coarse cells plus fine noise from a 64-bit generator; the README has the formula."""
    state = 1

    def draw(count):
        nonlocal state
        drawn = np.empty(count, dtype=np.float32)
        for index in range(count):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            drawn[index] = (state >> 56) - 128
        return drawn

    images, channels, height, width = shape
    coarse_shape = (images, channels, height // cell, width // cell)
    coarse = draw(np.prod(coarse_shape)).reshape(coarse_shape) / 64
    fine = draw(np.prod(shape)).reshape(shape) / 512
    values = coarse.repeat(cell, 2).repeat(cell, 3) + fine
    name = "x".join(map(str, shape))
    INPUT_NAMES[tuple(shape)] = name
    total = float(values.sum(dtype=np.float64))
    INPUTS[name] = {"name": name, "shape": shape, "cell": cell, "sum": total, "last": float(values.flat[-1])}
    return torch.from_numpy(values)


class Values:
    """One `.npy` of f32 values, to which tensors are added one after another."""

    def __init__(self, file):
        self.file, self.parts, self.count = file, [], 0

    def add(self, tensor, stride):
        """Adds every `stride`-th row and column, and says where they lie; the sums are those of all values."""
        whole = tensor.detach().numpy()
        part = whole[..., ::stride, ::stride].ravel() if stride > 1 else whole.ravel()
        row = {"file": self.file, "offset": self.count, "shape": list(whole.shape), "stride": stride}
        row["sum"] = float(whole.sum(dtype=np.float64))
        row["abs_sum"] = float(np.abs(whole).sum(dtype=np.float64))
        self.parts.append(part.astype(np.float32))
        self.count += part.size
        return row

    def write(self):
        np.save(GOLDEN / self.file, np.concatenate(self.parts))


def write_index(index, file):
    """JSON with one row a line."""
    fields = []
    for key, value in index.items():
        if isinstance(value, list):
            value = "[\n" + ",\n".join("  " + json.dumps(row) for row in value) + "\n ]"
        else:
            value = json.dumps(value)
        fields.append(f" {json.dumps(key)}: {value}")
    file.write_text("{\n" + ",\n".join(fields) + "\n}\n")


def to_torchscript(model, form, batches):
    """The model as TorchScript; `... in training` is what people get who forget `eval()`."""
    form, kind = form.split(" ")[0], form.split(" ")[-1]
    training = form != "freeze" and kind == "training"
    model.train(training)
    if form == "trace":
        batch = batches[-1] if batches else 1
        example = (torch.zeros(batch, 3, 16, 16),)
        if isinstance(model, networks.TwoInputs):
            example += (torch.zeros(batch, 4),)
        return torch.jit.trace(model, example, strict=False, check_trace=False)
    scripted = torch.jit.script(model)
    if form != "freeze":
        return scripted
    return torch.jit.freeze(scripted.half() if kind == "half" else scripted)


def save(scripted, file):
    """Saves without the members that name this machine's paths, which no reader needs."""
    saved = io.BytesIO()
    torch.jit.save(scripted, saved)
    rewrite(saved, file, lambda _name, content: content)


def rewrite(source, file, change):
    members = []
    with zipfile.ZipFile(source) as archive:
        for path in archive.namelist():
            name = path.split("/", 1)[1]
            if not name.endswith(".debug_pkl") and name != ".data/serialization_id":
                members.append((name, change(name, archive.read(path))))
    with open(file, "wb") as out:
        write_zip(members, out)


def not_torchscript(model):
    """Files that people mistake for TorchScript."""
    torch.save(model.state_dict(), HERE / "state_dict.pth")
    torch.save(model.state_dict(), HERE / "state_dict_old.pth", _use_new_zipfile_serialization=False)
    torch.save(model, HERE / "whole_module.pth")
    program = torch.export.export(model, (torch.zeros(1, 3, 16, 16),))
    saved = io.BytesIO()
    torch.export.save(program, saved)
    rewrite(saved, HERE / "exported.pt2", without_traces)


def without_traces(name, content):
    """A member of a .pt2 without the stack traces, which name this machine's paths."""
    if not name.endswith(".json"):
        return content
    return re.sub(rb'"stack_trace": "(\\.|[^"\\])*"', b'"stack_trace": ""', content)


def other_device():
    """Models as a machine with a GPU would have saved them: weights that lie there, code that names it."""
    named = torch.jit.trace(networks.NamesDevice().eval(), torch.zeros(1, 3, 16, 16), check_trace=False)
    saved = io.BytesIO()
    torch.jit.save(named, saved)

    def code(name, content):
        return content.replace(b'torch.device("cpu")', b'torch.device("cuda:0")') if name.endswith(".py") else content

    def weights(name, content):
        return content.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0") if name == "data.pkl" else content

    rewrite(saved, HERE / "cuda_code.pt", code)
    rewrite(HERE / "plain.pt", HERE / "cuda_weights.pt", weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
