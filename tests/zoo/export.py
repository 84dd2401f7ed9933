"""Files of the zoo: each network as each exporter writes it, with the maps that are expected of it.

    python3 export.py FOLDER EXPORTER [PATTERN]

EXPORTER is script, dynamo or trace; `files.py` says what they are and what lies in the folder. A file appears
whole or not at all, and a file that is there is kept.
"""

import os
import pathlib
import sys
import warnings
from enum import Enum

import networks
import numpy as np
import torch

import architectures
import files


def export(folder, architecture, exporter):
    """Writes what is missing for one model, and returns the path of its file."""
    path, refusal = files.model(folder, architecture, exporter), files.refusal(folder, architecture, exporter)
    expected = files.expected(folder, architecture)
    if (path.exists() or refusal.exists()) and expected.exists():
        return path
    network = networks.build(architecture)
    write_whole(files.image(folder, architecture), lambda to: np.save(to, networks.image(architecture.size)))
    maps = networks.wanted_maps(network, architecture)
    write_whole(expected, lambda to: np.savez(to, **maps))
    try:
        try:
            WRITERS[exporter](network, architecture.size, path, Attempt.USUAL)
        except Exception:  # noqa: BLE001  (an exporter fails with any kind)
            with networks.plain_attention():
                WRITERS[exporter](networks.build(architecture), architecture.size, path, Attempt.CAREFUL)
    except Exception as cause:  # noqa: BLE001
        refusal.write_text(f"{type(cause).__name__}: {cause}")
    return path


class Attempt(Enum):
    """As most people export, and, where that fails, as people do next."""

    USUAL = 0
    CAREFUL = 1  # attention as plain products, a newer opset, or one image


def write_script(network, size, path, attempt):
    def write(to):
        torch.onnx.export(
            network, (torch.randn(2, 3, size, size),), to, dynamo=False,
            opset_version=17 if attempt is Attempt.USUAL else 18,
            input_names=["images"], output_names=["scores"],
            dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
        )  # fmt: skip

    write_whole(path, write)


def write_dynamo(network, size, path, attempt):
    dynamic = attempt is Attempt.USUAL
    shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},) if dynamic else None
    images = torch.randn(2 if dynamic else 1, 3, size, size)

    def write(to):
        program = torch.onnx.export(
            network, (images,), dynamo=True, opset_version=20, verbose=False,
            input_names=["images"], output_names=["scores"], dynamic_shapes=shapes,
        )  # fmt: skip
        program.save(to, external_data=False)

    write_whole(path, write)


def write_trace(network, size, path, attempt):
    traced = torch.jit.trace(network, torch.randn(1, 3, size, size), check_trace=False)
    write_whole(path, traced.save)


WRITERS = {"script": write_script, "dynamo": write_dynamo, "trace": write_trace}


def write_whole(path, write):
    """Lets `write` fill another file, and gives it its name when it is whole."""
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(str(unfinished))
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def main(folder, exporter, pattern="*"):
    warnings.simplefilter("ignore")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for architecture in architectures.select(pattern):
        if exporter == "trace" and not architecture.traced:
            continue
        path = export(folder, architecture, exporter)
        print(path if path.exists() else files.refusal(folder, architecture, exporter), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
