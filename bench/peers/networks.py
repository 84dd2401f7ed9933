"""The networks that are measured, as PyTorch modules, and the one that no package brings.

    python networks.py FOLDER

writes ResNet-50 with random weights into FOLDER, as ONNX and as TorchScript, each with its manifest: its time
is that of a trained one, and nobody has to download or to license the weights.
"""

import importlib.util
import os
import sys

import torch
import torchvision

HERE = os.path.dirname(os.path.abspath(__file__))



def efficientnet_lite0():
    # By its path, since Python has a module `trace` of its own.
    file = os.path.join(HERE, "..", "..", "models", "trace.py")
    spec = importlib.util.spec_from_file_location("scorecam_trace", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EfficientNetLite0()


# By name: how it is built, and which of its modules is the target layer.
NETWORKS = {
    "efficientnet_lite0": (efficientnet_lite0, "features"),
    "squeezenet1_1": (lambda: torchvision.models.squeezenet1_1(weights=None), "features"),
    "resnet50_random": (lambda: torchvision.models.resnet50(weights=None), "layer4"),
}
MANIFEST = """# ResNet-50 with random weights, 1000 classes without meaning.

[model]
file = "{file}"
backend = "{backend}"
layer = "layer4"

[input]
size = [224, 224]
color = "rgb"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
resize = "bilinear"
fit = "crop"
crop_fraction = 0.875

[output]
activation = "none"
"""


def load(name, file):
    """The network with the weights of a TorchScript file, and its target layer."""
    build, layer = NETWORKS[name]
    network = build()
    network.load_state_dict(torch.jit.load(file).state_dict())
    return network.eval(), network.get_submodule(layer)


def write_resnet50(folder):
    # Without training, batch normalization passes everything on: nearly all maps of the last layer are alive,
    # and masks move the class's probability from nothing to most of what the whole photo gets.
    torch.manual_seed(0)
    network = torchvision.models.resnet50(weights=None).eval()
    image = torch.zeros(1, 3, 224, 224)
    base = os.path.join(folder, "resnet50_random")
    torch.jit.trace(network, image).save(base + ".ts.pt")
    torch.onnx.export(
        network,
        (image,),
        base + ".onnx",
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}},
        opset_version=17,
        dynamo=False,
    )
    name_layer(base + ".onnx", "/layer4/layer4.2/relu_2/Relu", "layer4")
    for kind, backend, manifest in [(".onnx", "onnx-cpu", ".toml"), (".ts.pt", "libtorch", ".ts.toml")]:
        with open(base + manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST.format(file=os.path.basename(base) + kind, backend=backend))


def name_layer(file, node_name, layer):
    """Gives a node's output the layer's name, which the exporter does not keep."""
    import onnx

    model = onnx.load(file)
    (node,) = [node for node in model.graph.node if node.name == node_name]
    old = node.output[0]
    for other in model.graph.node:
        for names in (other.input, other.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = layer
    onnx.checker.check_model(model)
    onnx.save(model, file)


if __name__ == "__main__":
    write_resnet50(sys.argv[1])
