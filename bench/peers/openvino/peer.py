"""Explains on request with openvino_xai's Recipro-CAM, for `cargo xtask bench --peers`.

    python peer.py bytes|f32 THREADS LAYER ONNX_FILE

Answers the requests that ../serving.py describes. The tool writes the explanation into the network's graph, so that
one inference gives it: for all classes at once, by itself as bytes, and with `embed_scaling=False` as the scores in
f32, of which the map is made here. Everything is in f32, as ours is: by itself OpenVINO shortens factors where the
processor multiplies shorter ones faster.
"""

import os
import sys
import time
import warnings

import numpy as np

# At the end, where a folder of the checkout hides no package.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
warnings.filterwarnings("ignore")

import openvino  # noqa: E402
from openvino_xai.methods import ReciproCAM  # noqa: E402

from serving import peak_mb, serve  # noqa: E402


def main():
    answers, sys.stdout = sys.stdout, sys.stderr
    kind, threads, layer, file = sys.argv[1:]
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": int(threads), "INFERENCE_PRECISION_HINT": "f32"}
    network = core.read_model(file)
    layer = node_of(network, layer)
    method = ReciproCAM(network, target_layer=layer, embed_scaling=kind == "bytes", prepare_model=False)
    # As the tool would load it, but with these settings.
    method._model_compiled = core.compile_model(method.prepare_model(load_model=False), "CPU", settings)
    plain = core.compile_model(network, "CPU", settings)
    tools = {"explain": lambda request: explain(method, request), "forward": lambda request: forward(plain, request)}
    serve(answers, lambda request: tools[request["do"]](request))


def node_of(network, tensor):
    """The name of the node whose output an ONNX file calls so; the tool knows nodes only."""
    for node in network.get_ordered_ops():
        if any(tensor in output.get_names() for output in node.outputs()):
            return node.get_friendly_name()
    raise ValueError(f"the network has no tensor {tensor}")


def explain(method, request):
    image = np.load(request["input"])[None]
    start = time.perf_counter()
    maps = method.generate_saliency_map(image)[0]
    result = normalized(maps[request["class"]].astype(np.float32))
    seconds = time.perf_counter() - start
    np.save(request["map"], result)
    facts = {"seconds": seconds, "passes": 1, "measures": {"head-passes": result.size}}
    return facts | {"peak_mb": peak_mb()}


def normalized(values):
    values = values - values.min()
    top = values.max()
    return values / top if top > 0 else values


def forward(plain, request):
    images = np.repeat(np.load(request["input"])[None], request["batch"], axis=0)
    rounds = -(-request["passes"] // request["batch"])
    start = time.perf_counter()
    for _ in range(rounds):
        plain(images)
    passes = rounds * request["batch"]
    return {"seconds": time.perf_counter() - start, "passes": passes, "peak_mb": peak_mb()}


if __name__ == "__main__":
    main()
