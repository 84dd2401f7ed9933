"""The program `scorecam` of the wheel: `python -m scorecam explain cat.jpg --model net.onnx`.

It replaces this process, and uses ONNX Runtime's library from the package `onnxruntime` unless `ORT_DYLIB_PATH` names
another.
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys

from . import _runtime

PROGRAM = "scorecam.exe" if sys.platform == "win32" else "scorecam"
LIBRARIES = ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll")


def program() -> str:
    """The path of the program: that of `SCORECAM_PROGRAM`, or the wheel's own."""
    chosen = os.environ.get("SCORECAM_PROGRAM")
    return chosen or os.path.join(os.path.dirname(os.path.abspath(__file__)), "_program", PROGRAM)


def environment() -> dict[str, str]:
    """The environment of the program."""
    variables = dict(os.environ)
    folder = _runtime.folder()
    if folder is not None and not variables.get("ORT_DYLIB_PATH"):
        found = sorted(path for pattern in LIBRARIES for path in glob.glob(os.path.join(folder, pattern)))
        if found:
            variables["ORT_DYLIB_PATH"] = found[0]
    return variables


def main() -> int:
    """Run the program with the arguments of this process; does not return if the process can be replaced."""
    path = program()
    if not os.path.isfile(path):
        print(f"error: this installation has no program at {path}; set SCORECAM_PROGRAM to one", file=sys.stderr)
        return 1
    arguments = [path, *sys.argv[1:]]
    if sys.platform == "win32":
        return subprocess.run(arguments, env=environment()).returncode
    os.execve(path, arguments, environment())


if __name__ == "__main__":
    sys.exit(main())
