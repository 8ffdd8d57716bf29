"""Available datasets and their state on disk; reads small files only."""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.locations import (
    cache_folders,
    cache_name,
    data_folder_if_any,
    prepared_folder,
    prepared_names,
)


@dataclass(frozen=True)
class State:
    """A dataset and its state on disk.

    Attributes:
        name: value for `--dataset`.
        state: "built in", "cached" (decoded), "prepared" or "downloadable".
        title: name in prose.
        train, test, image_size, channels, classes: as in `DatasetSpec`; None if
            unknown without reading the prepared files.
        download_mb: size of the download in megabytes; 0 if nothing needs downloading.
        source: origin of the images.
    """

    name: str
    state: str
    title: str
    train: int | None
    test: int | None
    image_size: int | None
    channels: int | None
    classes: int | None
    download_mb: int
    source: str


def states(data_dir: Path | str | None = None) -> list[State]:
    """The catalog's datasets, then the others prepared in the data folder."""
    data = data_folder_if_any(data_dir)
    found = []
    for name, spec in DATASETS.items():
        state = "built in" if name == "digits" else _state(name, data)
        found.append(
            State(
                name,
                state,
                spec.title,
                spec.train,
                spec.test,
                spec.image_size,
                spec.channels,
                spec.classes,
                spec.download_mb if state == "downloadable" else 0,
                spec.source,
            )
        )
    for name in prepared_names(data):
        folder = prepared_folder(name, data)
        if folder and name not in DATASETS:
            sizes = _split_sizes(folder / "dataset_info.json")
            found.append(
                State(
                    name,
                    _state(name, data),
                    name,
                    sizes.get("train"),
                    sizes.get("test", sizes.get("validation")),
                    None,
                    None,
                    None,
                    0,
                    "TFDS",
                )
            )
    return found


def _state(name: str, data: Path | None) -> str:
    folder = prepared_folder(name, data)
    if data is None or folder is None:
        return "downloadable"
    decoded = any(
        meta
        for caches in cache_folders(data)
        for meta in caches.glob(f"{cache_name(name, folder)}*/meta.json")
    )
    return "cached" if decoded else "prepared"


def _split_sizes(info: Path) -> dict[str, int]:
    try:
        splits = json.loads(info.read_text(encoding="utf-8"))["splits"]
        return {one["name"]: sum(map(int, one["shardLengths"])) for one in splits}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
