"""A model outside the engine: the tensor that a layer's name means, and the scores of images.

An ONNX file runs in ONNX Runtime with one more output, named and nothing else. A trace's module is hooked in
the network that it was traced from, which has the same weights.
"""

import pathlib
import tempfile

import numpy as np
import onnxruntime

THREADS = 2


class OnnxRunner:
    def __init__(self, path, layer):
        import onnx

        model = onnx.load(path)
        outputs = [output.name for output in model.graph.output]
        if layer not in outputs:
            model.graph.output.append(onnx.ValueInfoProto(name=layer))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            tapped = pathlib.Path(folder) / "tapped.onnx"
            onnx.save(model, tapped)
            self._session = onnxruntime.InferenceSession(str(tapped), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._layer, self._scores = layer, outputs[0]

    def activation(self, image):
        """The layer's tensor for one image [3, H, W], its batch axis included."""
        return self._session.run([self._layer], {self._input.name: image[None]})[0]

    def scores(self, images):
        batch = self._input.shape[0]
        if isinstance(batch, int) and batch != len(images):
            return np.concatenate([self.scores(one[None]) for one in images])
        return self._session.run([self._scores], {self._input.name: images})[0]


class TraceRunner:
    def __init__(self, architecture, layer):
        import networks
        import torch

        self._torch = torch
        self._network = networks.build(architecture)
        self._module = self._network.get_submodule(layer)

    def activation(self, image):
        kept = []
        handle = self._module.register_forward_hook(lambda module, inputs, output: kept.append(output.clone()))
        self.scores(image[None])
        handle.remove()
        return kept[-1].detach().numpy()

    def scores(self, images):
        with self._torch.no_grad():
            return self._network(self._torch.from_numpy(images)).numpy()
