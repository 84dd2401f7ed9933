"""PyTorch from its only Linux wheel, without the gigabytes of CUDA that the wheel names as its needs.

`torch` on PyPI is linked to a dozen CUDA libraries, and a program that stays on the CPU calls none of them. So
the environment holds `torch` without its needs, and an empty library stands in for each that is missing: the
loader takes a library that is loaded already for any other of the same SONAME, and lazy binding never asks for
the functions. Import this module before `torch`. Only for making test models.
"""

import ctypes
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

MISSING = [
    "libcublas.so.13", "libcublasLt.so.13", "libcuda.so.1", "libcudnn.so.9", "libcufft.so.12", "libcufile.so.0",
    "libcurand.so.10", "libcusolver.so.12", "libcusparse.so.12", "libcusparseLt.so.0", "libnccl.so.2",
    "libnvrtc.so.13", "libnvshmem_host.so.3",
]
# Small, and called while PyTorch starts: the real ones, from wheels of their own.
PRESENT = ["cuda_runtime/lib/libcudart.so.13", "cuda_cupti/lib/libcupti.so.13",
           "cu13/lib/libcudart.so.13", "cu13/lib/libcupti.so.13"]


def load():
    """Loads what stands in for CUDA. Does nothing where PyTorch needs no help."""
    if sys.platform != "linux" or importlib.util.find_spec("torch") is None:
        return
    sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
    packages = importlib.util.find_spec("nvidia")
    for root in packages.submodule_search_locations if packages else []:
        for library in PRESENT:
            if os.path.exists(os.path.join(root, library)):
                ctypes.CDLL(os.path.join(root, library), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)
    with tempfile.TemporaryDirectory() as folder:
        for soname in MISSING:
            ctypes.CDLL(empty_library(pathlib.Path(folder), soname), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)


def empty_library(folder, soname):
    path = folder / soname
    compiler = os.environ.get("CC") or "cc"
    subprocess.run(
        [compiler, "-shared", "-nostdlib", "-x", "c", os.devnull, f"-Wl,-soname,{soname}", "-o", path], check=True
    )
    return str(path)


load()
