"""Photos on Ray: every photo has its result once, whatever happens to workers, and a run that ended goes on."""

import os
import pathlib
import signal
import threading
import time

import numpy as np
import pytest

import scorecam

pytest.importorskip("pandas")
ray = pytest.importorskip("ray")
import scorecam.ray  # noqa: E402

PHOTOS = 40


@pytest.fixture(scope="module", autouse=True)
def cluster():
    # Reading needs a CPU of its own beside the actors.
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(7)
    for i in range(PHOTOS):
        scorecam.Picture(draw.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{i:02}.png")
    return sorted(str(path) for path in folder.iterdir())


def source(pids, seconds=0.0):
    """What makes a model in a worker, which leaves its process id behind."""

    def make():
        def scores(images):
            time.sleep(seconds)
            return 5 * images.mean(axis=(2, 3))

        (pathlib.Path(pids) / str(os.getpid())).touch()
        return scorecam.from_callable(scores, (3, 16, 16), activations=lambda images: images, scale=1 / 255)

    return make


def by_path(results):
    rows = results.to_pandas().to_dict("records")
    names = [row["path"] for row in rows]
    assert len(names) == len(set(names))
    return {row["path"]: row for row in rows}


def test_a_killed_worker_loses_nothing(paths, tmp_path):
    pids, output = tmp_path / "pids", str(tmp_path / "results")
    pids.mkdir()
    killed = []

    def kill():
        while len(list(pids.iterdir())) < 2:
            time.sleep(0.01)
        time.sleep(0.5)
        killed.append(int(next(pids.iterdir()).name))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = by_path(
        scorecam.ray.explain(paths, source(str(pids), 0.1), output, actors=2, cpus=0.5, batch_size=2, target=1)
    )
    killer.join()
    assert killed and len(list(pids.iterdir())) >= 3
    assert sorted(found) == paths
    model = source(str(pids))()
    for path, row in found.items():
        expected = model.explain(path, 1)
        assert row["error"] is None and row["score"] == expected.target.score
        np.testing.assert_array_equal(scorecam.ray.map_of(row), expected.map)


def test_failures_are_rows_and_a_run_goes_on(paths, tmp_path):
    (tmp_path / "pids").mkdir()
    output, model = str(tmp_path / "results"), source(str(tmp_path / "pids"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    first = by_path(scorecam.ray.explain([*paths[:3], str(broken)], model, output, cpus=0.5, maps=False))
    assert len(first) == 4 and str(broken) in first[str(broken)]["error"]
    with pytest.raises(ValueError, match="has no map"):
        scorecam.ray.map_of(first[str(broken)])
    # What a run that was killed left behind.
    (tmp_path / "results" / "half.parquet").write_bytes(b"PAR1 and no end")
    scorecam.Picture(np.zeros((20, 20, 3), dtype=np.uint8)).save(broken)
    everything = [*paths[:6], str(broken)]
    second = by_path(scorecam.ray.explain(everything, model, output, cpus=0.5, maps=False))
    assert sorted(second) == sorted(everything) and second[str(broken)]["error"] is not None
    third = by_path(scorecam.ray.explain(everything, model, output, cpus=0.5, maps=False, retry_failures=True))
    assert sorted(third) == sorted(everything) and third[str(broken)]["error"] is None


def test_bytes_in_a_column_are_read(paths, tmp_path):
    (tmp_path / "pids").mkdir()
    photos = ray.data.read_binary_files(paths[:4], include_paths=True)
    results = scorecam.ray.explain(photos, source(str(tmp_path / "pids")), str(tmp_path / "results"), cpus=0.5)
    found = by_path(results)
    model = source(str(tmp_path / "pids"))()
    for path in paths[:4]:
        np.testing.assert_array_equal(scorecam.ray.map_of(found[path]), model.explain(path).map)


def test_the_same_function_serves_spark(paths, tmp_path):
    import pandas

    (tmp_path / "pids").mkdir()
    tables = iter([pandas.DataFrame({"path": paths[:3]}), pandas.DataFrame({"path": paths[3:5]})])
    found = scorecam.ray.Explain(source(str(tmp_path / "pids")), maps=False)(tables)
    assert [list(table["path"]) for table in found] == [paths[:3], paths[3:5]]
