"""Photos per second of `scorecam.ray` beside the program's own, on the same cores.

    python measure_throughput.py MODEL PHOTOS [--workers 2] [--passes 64] [--count 40] [--rounds 3]

Starting up (Ray, actors, loading the model) is no part of a rate: each side explains `count` photos and three times as
many, and the rate is that of the difference. The two sides take turns, so a busy machine hits both.
"""

import argparse
import itertools
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["RAY_worker_niceness"] = "0"

import ray  # noqa: E402

import scorecam.ray  # noqa: E402

METHOD = "score-cam-adaptive"


def copies(photos, count, folder):
    """`count` photos under names of their own."""
    found = sorted(p for p in pathlib.Path(photos).iterdir() if p.suffix in (".png", ".jpg"))
    folder.mkdir()
    for i, photo in zip(range(count), itertools.cycle(found)):
        shutil.copy(photo, folder / f"{i:05}{photo.suffix}")
    return sorted(str(p) for p in folder.iterdir())


def by_ray(model, paths, given):
    with tempfile.TemporaryDirectory() as output:
        started = time.perf_counter()
        results = scorecam.ray.explain(
            paths,
            model,
            output,
            actors=given.workers,
            cpus=0.5,
            batch_size=4,
            at_once=1,
            threads=1,
            method=METHOD,
            passes=given.passes,
        )
        assert results.count() == len(paths)
        return time.perf_counter() - started


def by_program(model, paths, given):
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "scorecam", "explain", "--model", model, "--method", METHOD]
        command += ["--set", f"passes={given.passes}", "--threads", str(given.workers)]
        command += ["--json", str(pathlib.Path(output) / "results.json"), *paths]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("photos")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--passes", type=int, default=64)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ray.init(num_cpus=2 * given.workers, include_dashboard=False, log_to_driver=False)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        few = copies(given.photos, given.count, pathlib.Path(folder) / "few")
        many = copies(given.photos, 3 * given.count, pathlib.Path(folder) / "many")
        for _ in range(given.rounds):
            rate = {}
            for side in (by_program, by_ray):
                seconds = [side(given.model, paths, given) for paths in (few, many)]
                rate[side] = 2 * given.count / (seconds[1] - seconds[0])
            ratios.append(rate[by_ray] / rate[by_program])
            print(f"program {rate[by_program]:.2f}, Ray {rate[by_ray]:.2f} photos per second: {ratios[-1]:.3f}", flush=True)
    print(f"median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
