"""Measures Score-CAM of a PyTorch module beside pytorch-grad-cam and torch-cam, on networks with random weights.

    python measure_peers.py [--network resnet18|vit|detector] [--side 224] [--rounds 5] [--threads 1]

torch-cam takes no layers of tokens, so on the transformer it explains the layer that makes patches; of the detector
both explain the best box's score of a class.

CPU time is that of one process in which all tools explain the same image in turns, so that what else the machine does
meets all of them; the figure is the median of the rounds' ratios to the bare forward passes. Memory is the greatest
resident size of a process of its own above that before the call, with the tool imported and one pass made; Linux alone
says it. Each tool has its own defaults, and `at N` gives it batches of N images.
"""

import argparse
import contextlib
import io
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/zoo"))
with contextlib.suppress(ImportError):
    import torch_without_cuda  # noqa: F401
sys.path.pop(0)

import torch  # noqa: E402
import torchvision  # noqa: E402

TARGET = 1


class Detector(torch.nn.Module):
    """ResNet-18 with a box and class scores per cell, of which the best of each class is the answer."""

    def __init__(self):
        super().__init__()
        layers = torchvision.models.resnet18(weights=None)
        self.backbone = torch.nn.Sequential(*list(layers.children())[:-2])
        self.classes = torch.nn.Conv2d(512, 20, 3, padding=1)

    def forward(self, x):
        return self.classes(self.backbone(x)).amax((2, 3))


def transformer(side):
    """Of the size that is called tiny, with half the blocks."""
    return torchvision.models.VisionTransformer(side, 16, 6, 3, 192, 768)


# How each is made, the layers that pytorch-grad-cam and torch-cam explain, and the channels of both.
NETWORKS = {
    "resnet18": (lambda side: torchvision.models.resnet18(weights=None), "layer4", "layer4", 512),
    "vit": (transformer, "encoder.layers.encoder_layer_5.ln_1", "conv_proj", 192),
    "detector": (lambda side: Detector(), "backbone", "backbone", 512),
}
chosen = "resnet18"


def network(side):
    torch.manual_seed(0)
    module = NETWORKS[chosen][0](side).eval()
    if chosen == "vit":
        # Zeros in torchvision, which would give each class the same score.
        torch.nn.init.normal_(module.heads.head.weight, std=0.05)
    return module, torch.rand(1, 3, side, side)


def as_maps(tokens):
    """What users of pytorch-grad-cam give as reshape_transform for a transformer."""
    side = int((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)


def scorecam_by(preset, batch):
    def make(module, image):
        import scorecam

        layer = NETWORKS[chosen][2 if preset == "torchcam" else 1]
        model = scorecam.from_torch(module, example=image, layer=layer)
        return lambda: model.explain(image, TARGET, preset=preset, batch_size=batch).map

    return make


def pytorch_grad_cam(batch):
    def make(module, image):
        from pytorch_grad_cam import ScoreCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        reshape = as_maps if chosen == "vit" else None
        cam = ScoreCAM(module, [module.get_submodule(NETWORKS[chosen][1])], reshape_transform=reshape)
        if batch:
            cam.batch_size = batch

        def explain():
            with contextlib.redirect_stderr(io.StringIO()):
                return cam(image, [ClassifierOutputTarget(TARGET)])[0]

        return explain

    return make


def torch_cam(batch):
    def make(module, image):
        from torchcam.methods import ScoreCAM

        cam = ScoreCAM(module, NETWORKS[chosen][2], input_shape=tuple(image.shape[1:]), **({"batch_size": batch} if batch else {}))

        def explain():
            with torch.inference_mode():
                scores = module(image)
            return cam(TARGET, scores)[0][0].numpy()

        return explain

    return make


def passes(batch):
    def make(module, image):
        images = image.repeat(batch, 1, 1, 1)

        def run():
            with torch.no_grad():
                for _ in range(NETWORKS[chosen][3] // batch):
                    module(images)

        return run

    return make


TOOLS = {
    "bare passes at 8": passes(8),
    "bare passes at 16": passes(16),
    "bare passes at 32": passes(32),
    "scorecam, preset pytorch-grad-cam": scorecam_by("pytorch-grad-cam", None),
    "scorecam, preset pytorch-grad-cam at 16": scorecam_by("pytorch-grad-cam", 16),
    "pytorch-grad-cam": pytorch_grad_cam(None),
    "scorecam, preset torchcam": scorecam_by("torchcam", None),
    "torch-cam": torch_cam(None),
    "torch-cam at 8": torch_cam(8),
}
SAME = [("scorecam, preset pytorch-grad-cam", "pytorch-grad-cam"), ("scorecam, preset torchcam", "torch-cam")]


def time_all(side, rounds):
    """For each tool the CPU seconds of each round, and its map."""
    seconds, maps = {name: [] for name in TOOLS}, {}
    # Each has a module of its own, since tools leave hooks on it.
    ready = {name: make(*network(side)) for name, make in TOOLS.items()}
    for name, run in ready.items():
        maps[name] = run()
    for turn in range(rounds):
        for name in list(TOOLS)[:: 1 if turn % 2 == 0 else -1]:
            begin = time.process_time()
            ready[name]()
            seconds[name].append(time.process_time() - begin)
    return seconds, maps


def peak(name, side):
    """MiB that one call needs at most above what the process has before it."""
    module, image = network(side)
    explain = TOOLS[name](module, image)
    with torch.no_grad():
        module(image)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    explain()
    return status("VmHWM") - before


def status(key):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) // 1024


def main():
    global chosen
    parser = argparse.ArgumentParser(description="Measures scorecam beside other tools for PyTorch.")
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    chosen = asked.network
    torch.set_num_threads(asked.threads)
    if asked.peak:
        print(peak(asked.peak, asked.side))
        return
    seconds, maps = time_all(asked.side, asked.rounds)
    bare = seconds["bare passes at 16"]
    print(f"{asked.network}, {asked.side} x {asked.side}, {asked.threads} thread, {asked.rounds} rounds")
    print(f"{'':40} {'CPU s':>7} {'to bare passes at 16':>21} {'MiB':>6}")
    for name in TOOLS:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], bare))
        same = ["--network", chosen, "--side", str(asked.side), "--threads", str(asked.threads)]
        again = [sys.executable, __file__, *same, "--peak", name]
        found = subprocess.run(again, capture_output=True, text=True, check=True, env=os.environ).stdout.split()[-1]
        print(f"{name:40} {statistics.median(seconds[name]):7.2f} {ratio:21.3f} {found:>6}", flush=True)
    for ours, theirs in SAME:
        print(f"{ours}: the map differs from {theirs}'s by {np.abs(maps[ours] - maps[theirs]).max():.1e}")


if __name__ == "__main__":
    main()
