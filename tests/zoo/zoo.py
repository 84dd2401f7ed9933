"""Explains the zoo, a set of real exports, and judges every map.

    python3 zoo.py --program scorecam --models FOLDER [--plugin FILE] [--only PATTERN] [--out FILE.md]

Prints a line for each file as it is judged, then the counts. Exit status 1 when fewer than 95 % of the files
are explained right out of the box, or when a wrong result came without a warning.
"""

import argparse
import pathlib
import re
import subprocess
import sys

import architectures
import files
import judge
import runners
from table import counts, line, page

HERE = pathlib.Path(__file__).parent
SHARE = 0.95
EXPORT_LIMIT = 600


def main():
    arguments = parse()
    program = judge.Program(arguments.program, arguments.plugin)
    verdicts = []
    for exporter in arguments.exporter or files.EXPORTERS:
        for architecture in architectures.select(arguments.only):
            if exporter == "trace" and not architecture.traced:
                continue
            path = files.model(arguments.models, architecture, exporter)
            if arguments.no_export and not path.exists():
                continue
            verdict = judge_one(program, architecture, exporter, arguments)
            verdicts.append(verdict)
            print(line(verdict), flush=True)
    if not any(one.outcome != "no export" for one in verdicts):
        sys.exit(f"nothing to judge for {arguments.only}")
    total = counts(verdicts)
    if arguments.out:
        arguments.out.write_text(page(verdicts, total))
    print(total.sentence())
    sys.exit(0 if total.share >= SHARE and not total.silent else 1)


def judge_one(program, architecture, exporter, arguments):
    path = files.model(arguments.models, architecture, exporter)
    refusal = files.refusal(arguments.models, architecture, exporter)
    if not path.exists() and not refusal.exists():
        make(arguments.models, architecture, exporter)
    if not path.exists():
        words = first_line(refusal) if refusal.exists() else "the exporter ended without a word"
        return judge.Verdict(architecture.family, architecture.name, exporter, "no export", words=words)
    if exporter == "trace":
        runner_of = lambda layer: runners.TraceRunner(architecture, layer)  # noqa: E731
    else:
        runner_of = lambda layer: runners.OnnxRunner(path, layer)  # noqa: E731
    return judge.judge(program, architecture, exporter, path, arguments.models, runner_of)


def make(folder, architecture, exporter):
    """Exports in a process of its own, which PyTorch's exporters may end or leave full of memory."""
    pattern = re.sub(r"([*?[])", r"[\1]", architecture.name)
    command = [sys.executable, "-B", HERE / "export.py", folder, exporter, pattern]
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=EXPORT_LIMIT)
    except subprocess.TimeoutExpired:
        refusal = files.refusal(folder, architecture, exporter)
        refusal.write_text(f"the exporter did not end within {EXPORT_LIMIT} s")


def first_line(path):
    return path.read_text().strip().splitlines()[0][:150]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="the built scorecam")
    parser.add_argument("--models", required=True, type=pathlib.Path, help="where exports are kept")
    parser.add_argument("--plugin", action="append", default=[], help="passed on to the program")
    parser.add_argument("--only", default="*", help="names or families, as a pattern of the shell")
    parser.add_argument("--exporter", action="append", choices=files.EXPORTERS, help="all three when left out")
    parser.add_argument("--out", type=pathlib.Path, help="a page with the table")
    parser.add_argument("--no-export", action="store_true", help="judge only what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
