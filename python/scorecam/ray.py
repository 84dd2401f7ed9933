"""Many photos on a cluster: Ray Data, or Spark, as tables of results.

`explain` runs a dataset of photos through actors of Ray and writes a Parquet folder that a later run can complete. An
actor's work is an `Explain`, a function of tables that Spark's `mapInPandas` also accepts. A photo that fails becomes
a row with its error, so that one bad file in a million does not end the run.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ._explanation import Explanation
from ._images import one_line
from ._model import Model, load_model

COLUMNS = {
    "path": "string",
    "target": "string",
    "index": "bigint",
    "label": "string",
    "score": "double",
    "layer": "string",
    "passes": "bigint",
    "boxes": "array<array<double>>",
    "map": "binary",
    "map_height": "bigint",
    "map_width": "bigint",
    "warnings": "array<string>",
    "error": "string",
}
"""The columns of a result, with their types in Spark's words."""

SCHEMA = ", ".join(f"`{name}` {kind}" for name, kind in COLUMNS.items())
"""The columns as `mapInPandas` wants them."""

ModelSource = str | Callable[[], Model]


class Explain:
    """A function from tables of photos to tables with a row per photo and target.

    It contains only the source of the model, so it can be sent to another process, where the first call loads the
    model.

    Parameters
    ----------
    model : str or callable
        The path of a model or manifest that each worker can read, or a function without arguments that returns a
        `Model`.
    path : str
        The column with the path of each photo, local or in an object storage that PyArrow reads (`s3://`). It
        identifies the photo.
    content : str
        An optional column with the bytes of the photos' files.
    at_once : int
        Photos to process concurrently, whose masks share batches.
    maps : bool
        Whether rows include the maps: float32, row by row, in the column `map`.
    threads : int, optional
        Threads per worker; None for all cores.
    **arguments
        Those of `Model.explain`: `target`, `method`, `preset`, `layer`, `batch_size`, options.

    Examples
    --------
    On Spark, of a table `photos` with a column `path`:

    >>> from scorecam.ray import SCHEMA, Explain
    >>> work = Explain("/models/resnet50.onnx", method="recipro-cam", threads=1)
    >>> results = photos.mapInPandas(work, schema=SCHEMA)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: ModelSource,
        *,
        path: str = "path",
        content: str = "bytes",
        at_once: int = 4,
        maps: bool = True,
        threads: int | None = None,
        **arguments: Any,
    ) -> None:
        self._source = model
        self._columns = (path, content)
        self._at_once = at_once
        self._maps = maps
        self._threads = threads
        self._arguments = arguments
        self._model: Model | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    def __call__(self, photos: Any) -> Any:
        """Explain a table, or an iterator over tables as Spark has it.

        Parameters
        ----------
        photos : pandas.DataFrame or iterator of pandas.DataFrame

        Returns
        -------
        pandas.DataFrame or iterator of pandas.DataFrame
            The columns `COLUMNS`.
        """
        if isinstance(photos, Iterator):
            return (self._table(table) for table in photos)
        return self._table(photos)

    def _loaded(self) -> Model:
        if self._model is None:
            source = self._source
            self._model = source() if callable(source) else load_model(source, threads=self._threads)
        return self._model

    def _table(self, photos: Any) -> Any:
        import pandas

        model = self._loaded()
        path, content = self._columns
        names = [str(name) for name in photos[path]]
        contents = photos[content] if content in photos else [None] * len(names)
        images: list[Any] = []
        failures: dict[int, Exception] = {}
        for position, (name, found) in enumerate(zip(names, contents)):
            try:
                images.append(_photo(name, found))
            except Exception as why:
                failures[position] = why
        explanations = self._explanations(model, images)
        rows: list[dict[str, Any]] = []
        for position, name in enumerate(names):
            found = failures[position] if position in failures else next(explanations)
            rows.extend([_failed(name, found)] if isinstance(found, Exception) else self._rows(name, found))
        return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({"index": "Int64", "score": "Float64"})

    def _explanations(self, model: Model, images: list[Any]) -> Iterator[Explanation | Exception]:
        """What becomes of each image, in their order."""
        found = model.explain_many(images, at_once=self._at_once, **self._arguments)
        for _ in images:
            try:
                yield next(found)
            except StopIteration:
                yield RuntimeError("the photo was not explained")
            except Exception as why:
                yield why

    def _rows(self, name: str, found: Explanation) -> Iterable[dict[str, Any]]:
        for number, target in enumerate(found.targets):
            explained = found.late is None
            saliency = np.ascontiguousarray(found.maps[number], dtype="<f4") if explained and self._maps else None
            yield {
                "path": name,
                "target": target.text,
                "index": target.index,
                "label": target.label,
                "score": target.score,
                "layer": found.layer,
                "passes": found.passes,
                "boxes": [[float(side) for side in box] for box in found.boxes(number)] if explained else None,
                "map": None if saliency is None else saliency.tobytes(),
                "map_height": 0 if saliency is None else saliency.shape[0],
                "map_width": 0 if saliency is None else saliency.shape[1],
                "warnings": list(found.warnings),
                "error": found.late,
            }


def map_of(row: Any) -> np.ndarray[Any, Any]:
    """The map of a row of results.

    Parameters
    ----------
    row : mapping
        A row of a table with the columns `COLUMNS`.

    Returns
    -------
    numpy.ndarray
        float32 [H, W].

    Raises
    ------
    ValueError
        The row has no map: its photo failed, or the maps were not kept.
    """
    if not row["map_height"]:
        raise ValueError(f"{row['path']} has no map: {row['error'] or 'maps were not kept'}")
    return np.frombuffer(row["map"], dtype="<f4").reshape(int(row["map_height"]), int(row["map_width"]))


def explain(
    photos: Any,
    model: ModelSource,
    output: str,
    *,
    actors: int = 1,
    cpus: float = 1.0,
    gpus: float = 0.0,
    batch_size: int = 8,
    retry_failures: bool = False,
    path: str = "path",
    **arguments: Any,
) -> Any:
    """Explain photos with actors of Ray, and write the results as Parquet.

    Results are written as they become ready. If `output` has results, only the missing photos are explained, so an
    interrupted run can resume.

    Parameters
    ----------
    photos : ray.data.Dataset or iterable of str
        A dataset with a column `path`, and optionally one with the files' `bytes`, or the paths themselves.
    model : str or callable
        As in `Explain`.
    output : str
        A folder for the Parquet files, local or in an object storage.
    actors : int
        The number of processes, each with its own model.
    cpus, gpus : float
        The resources that Ray reserves for each actor. Leave some CPUs for the tasks that read: if the actors reserve
        all CPUs, nothing is ever read.
    batch_size : int
        Photos per call of an actor; the results of a call are written, or lost, together.
    retry_failures : bool
        Whether photos whose row has an error are explained again.
    path : str
        The column that identifies photos.
    **arguments
        Those of `Explain` and `Model.explain`.

    Returns
    -------
    ray.data.Dataset
        All results in `output`, including those of earlier runs.
    """
    import ray.data

    if not isinstance(photos, ray.data.Dataset):
        paths = [str(name) for name in photos]
        blocks = max(1, min(len(paths) // max(batch_size, 1), 1000))
        photos = ray.data.from_items([{path: name} for name in paths], override_num_blocks=blocks)
    done = _done(output, retry_failures)
    if done:
        known = ray.put(done)
        photos = photos.filter(_Missing(known, path))
    found = photos.map_batches(
        Explain,
        fn_constructor_args=(model,),
        fn_constructor_kwargs={"path": path, **arguments},
        batch_format="pandas",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=cpus,
        num_gpus=gpus or None,
    )
    found.write_parquet(output, mode="append")
    return ray.data.read_parquet(output)


class _Missing:
    """Whether a photo has no result yet."""

    def __init__(self, known: Any, path: str) -> None:
        self._known = known
        self._path = path
        self._done: set[str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_done": None}

    def __call__(self, row: dict[str, Any]) -> bool:
        if self._done is None:
            import ray

            self._done = ray.get(self._known)
        return row[self._path] not in self._done


def _done(output: str, retry_failures: bool) -> set[str]:
    """The photos that have results in a folder; where failures are to be tried again, their rows go."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    from pyarrow import fs

    files, folder = fs.FileSystem.from_uri(output) if "://" in output else (fs.LocalFileSystem(), output)
    if files.get_file_info(folder).type == fs.FileType.NotFound:
        return set()
    names = [info.path for info in files.get_file_info(fs.FileSelector(folder)) if info.path.endswith(".parquet")]
    names = [name for name in names if _is_whole(files, name)]
    if retry_failures:
        for name in names:
            _without_failures(files, name)
        names = [name for name in names if files.get_file_info(name).type == fs.FileType.File]
    if not names:
        return set()
    table = ds.dataset(names, filesystem=files, format="parquet").to_table(columns=["path"])
    return set(pc.unique(table["path"]).to_pylist())


def _is_whole(files: Any, name: str) -> bool:
    """Whether a file was written to its end; one that a killed run left cut off goes, as nothing can be read from it."""
    import pyarrow
    import pyarrow.parquet as pq

    try:
        with files.open_input_file(name) as file:
            pq.read_metadata(file)
    except pyarrow.ArrowInvalid:
        files.delete_file(name)
        return False
    return True


def _without_failures(files: Any, name: str) -> None:
    """Rewrites a file of results without the rows that hold an error."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(name, filesystem=files)
    kept = table.filter(pc.is_null(table["error"]))
    if kept.num_rows == table.num_rows:
        return
    if kept.num_rows:
        pq.write_table(kept, name, filesystem=files)
    else:
        files.delete_file(name)


def _photo(name: str, content: bytes | None) -> Any:
    """A photo as `Model.explain` takes it."""
    if content is None and "://" not in name:
        return _opened(name)
    from PIL import Image

    if content is None:
        from pyarrow import fs

        files, path = fs.FileSystem.from_uri(name)
        with files.open_input_file(path) as stream:
            content = stream.read()
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def _opened(name: str) -> Any:
    from ._images import image

    return image(name)


def _failed(name: str, why: Exception) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    text = one_line(why) if not isinstance(why, FileNotFoundError) else (why.filename or one_line(why))
    row.update(path=name, error=f"{type(why).__name__}: {text}", passes=0, map_height=0, map_width=0)
    return row
