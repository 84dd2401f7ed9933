"""Explains on request with another tool, for `cargo xtask bench --peers`.

    python peer.py PEER THREADS NETWORK TORCHSCRIPT_FILE DEVICE

Answers the requests that serving.py describes. A GPU has done its work when the clock stops.
"""

import os
import sys
import time

# Before torch is imported, whose threads read these.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = sys.argv[2]
os.environ["TQDM_DISABLE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import networks  # noqa: E402
from score_cam_loop import activation, normalized, score_cam  # noqa: E402
from serving import peak_mb, serve  # noqa: E402


def loop(network, layer):
    return lambda image, target, batch: score_cam(network, layer, image, target, batch or 1)


def torch_cam(network, layer):
    from torchcam.methods import ScoreCAM

    def explain(image, target, batch):
        options = {"batch_size": batch} if batch else {}
        with ScoreCAM(network, layer, input_shape=tuple(image.shape[1:]), **options) as method:
            with torch.inference_mode():
                network(image)
                return method(class_idx=target)[0][0]

    return explain


def grad_cam(network, layer):
    from pytorch_grad_cam import ScoreCAM

    return of_grad_cam(ScoreCAM, network, layer)


def ablation_cam(network, layer):
    from pytorch_grad_cam import AblationCAM

    return of_grad_cam(AblationCAM, network, layer)


def of_grad_cam(kind, network, layer):
    """A method of pytorch-grad-cam."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def explain(image, target, batch):
        with kind(model=network, target_layers=[layer]) as method:
            if batch:
                method.batch_size = batch
            return method(input_tensor=image, targets=[ClassifierOutputTarget(target)])[0]

    return explain


def captum(network, layer):
    """Ablation-CAM by captum, which gives the lost scores; the map is made of them here."""
    from captum.attr import LayerFeatureAblation

    def explain(image, target, batch):
        with torch.no_grad():
            maps = activation(network, layer, image)
            channels = torch.arange(maps.shape[1], device=maps.device).view(1, -1, 1, 1)
            lost = LayerFeatureAblation(network, layer).attribute(
                image, target=target, layer_mask=channels, perturbations_per_eval=batch or 1
            )
            coarse = (lost[:, :, :1, :1] * maps).sum(1, keepdim=True).relu()
            return normalized(F.interpolate(coarse, size=image.shape[-2:], mode="bilinear")[0, 0])

    return explain


PEERS = {
    "loop": loop,
    "torch-cam": torch_cam,
    "grad-cam": grad_cam,
    "ablation-cam": ablation_cam,
    "captum": captum,
}


def main():
    answers, sys.stdout = sys.stdout, sys.stderr
    peer, threads, network, file, device = sys.argv[1:]
    torch.set_num_threads(int(threads))
    # As exact as ours: by itself PyTorch shortens the factors of a GPU's convolutions.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model, layer = networks.load(network, file)
    model.to(device)
    explain = PEERS[peer](model, layer)
    serve(answers, lambda request: answer_to(request, (model, layer, explain), device))


def answer_to(request, tool, device):
    model, layer, explain = tool
    image = torch.from_numpy(np.load(request["input"]))[None].to(device)
    if request["do"] == "forward":
        return forward(model, image, request["batch"], request["passes"])
    # A tool may put something in the layer's place: then the network in front of it does not run.
    whole, front = Count(), Count()
    hooks = [model.register_forward_pre_hook(whole), layer.register_forward_pre_hook(front)]
    start = now(device)
    result = explain(image, request["class"], request.get("batch"))
    seconds = now(device) - start
    for hook in hooks:
        hook.remove()
    np.save(request["map"], torch.as_tensor(result).cpu().numpy().astype(np.float32))
    measures = {"head-passes": whole.images - front.images}
    facts = {"seconds": seconds, "passes": front.images, "measures": measures}
    return facts | {"peak_mb": peak_mb(), "device_mb": device_mb(device)}


def now(device):
    """The time when everything that was asked of the device is done."""
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Count:
    """Counts the images that go through a module."""

    def __init__(self):
        self.images = 0

    def __call__(self, _module, inputs):
        self.images += len(inputs[0])


@torch.inference_mode()
def forward(model, image, batch, passes):
    images = image.repeat(batch, 1, 1, 1)
    rounds = -(-passes // batch)
    start = now(str(images.device))
    for _ in range(rounds):
        model(images)
    return {"seconds": now(str(images.device)) - start, "passes": rounds * batch, "peak_mb": peak_mb()}


def device_mb(device):
    """The most of a GPU's memory that PyTorch has held, without what its driver takes for itself."""
    return None if device == "cpu" else torch.cuda.max_memory_reserved(device) / 2**20


if __name__ == "__main__":
    main()
