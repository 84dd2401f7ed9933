"""The loop of the programs that explain on request with another tool, for `cargo xtask bench --peers`.

Reads and answers the requests of bench/src/bin/bench_worker.rs, a JSON line each:

    {"do": "explain", "input": "x.npy", "class": 281, "batch": 16, "map": "map.npy"}
    {"do": "forward", "input": "x.npy", "batch": 16, "passes": 64}

`batch` may be left out of the first, which then runs as the tool does by itself. Only the explaining is timed: the
network is loaded before, and the map is written after. All that a tool prints goes to standard error.
"""

import json
import sys


def serve(answers, answer_to):
    """Writes to `answers` what `answer_to` returns for each request on standard input."""
    for line in sys.stdin:
        try:
            answer = answer_to(json.loads(line))
        except Exception as why:  # whatever it is, whoever asked has to hear of it
            answer = {"error": f"{type(why).__name__}: {why}".replace("\n", " ")}
        print(json.dumps(answer), file=answers, flush=True)


def peak_mb():
    """The most memory that this process has held, where the system tells."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return None
