"""Explain the photos of a folder on Ray, and write a Parquet table that the next run completes.

    python explain_folder.py photos/ resnet50.onnx results/ --actors 8 --method recipro-cam

A folder of an object storage works, too: s3://bucket/photos. The command needs `pip install "scorecam[ray]"`; on a
cluster, the model's file must lie where every worker finds it.
"""

import argparse

import pyarrow.fs
import ray

import scorecam.ray

PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def photos_below(folder: str) -> list[str]:
    """The paths of all photos, with the scheme where there is one."""
    if "://" in folder:
        files, path = pyarrow.fs.FileSystem.from_uri(folder)
        prefix = folder.split("://")[0] + "://"
    else:
        files, path, prefix = pyarrow.fs.LocalFileSystem(), folder, ""
    found = files.get_file_info(pyarrow.fs.FileSelector(path, recursive=True))
    return sorted(prefix + info.path for info in found if info.is_file and info.path.lower().endswith(PHOTOS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("model")
    parser.add_argument("results")
    parser.add_argument("--actors", type=int, default=1)
    parser.add_argument("--cpus", type=float, default=1.0, help="per actor, which has as many threads")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--no-maps", action="store_true")
    chosen = parser.parse_args()
    ray.init()
    results = scorecam.ray.explain(
        photos_below(chosen.photos),
        chosen.model,
        chosen.results,
        actors=chosen.actors,
        cpus=chosen.cpus,
        threads=max(1, int(chosen.cpus)),
        method=chosen.method,
        maps=not chosen.no_maps,
    )
    table = results.to_pandas()
    failed = table["error"].notna()
    print(f"{len(table)} rows, of which {failed.sum()} failed")
    for row in table[failed].head(10).itertuples():
        print(f"{row.path}: {row.error}")


if __name__ == "__main__":
    main()
