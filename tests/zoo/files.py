"""The names of the zoo's files: one architecture, three exporters.

For an architecture NAME the folder holds the exports NAME.script.onnx (torch.onnx by tracing, dynamo=False),
NAME.dynamo.onnx (torch.onnx from torch.export) and NAME.trace.pt (TorchScript), the expected maps NAME.npz, one
array [K, h, w] for each layer of its list, and xSIZE.npy, the input. NAME.EXPORTER.txt says why there is no export.
"""

SUFFIX = {"script": ".script.onnx", "dynamo": ".dynamo.onnx", "trace": ".trace.pt"}
EXPORTERS = tuple(SUFFIX)


def model(folder, architecture, exporter):
    return folder / (architecture.name + SUFFIX[exporter])


def refusal(folder, architecture, exporter):
    return folder / f"{architecture.name}.{exporter}.txt"


def expected(folder, architecture):
    return folder / f"{architecture.name}.npz"


def image(folder, architecture):
    return folder / f"x{architecture.size}.npy"
