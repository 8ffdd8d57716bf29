"""Decoded images on disk, mapped into memory.

A cache folder is built under a temporary name and renamed, so it is whole or absent;
two processes may build the same one, and the first to finish is kept.
"""

import contextlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split
from kerasnets.errors import DatasetError

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_log = logging.getLogger(__name__)


def cached(folders: list[Path], key: str, build: Callable[[], Dataset]) -> Dataset:
    """The dataset cached under `key` in the first of `folders` that has it; else what
    `build` gives, after caching it in the first that can be written.

    Raises:
        DatasetError: none of the folders can be written.
    """
    for folder in folders:
        dataset = read(folder / key)
        if dataset:
            return dataset
    dataset = build()
    for folder in folders:
        with contextlib.suppress(PermissionError, NotADirectoryError):
            write(folder / key, dataset)
            return read(folder / key) or dataset
    raise DatasetError(
        f"decoded images cannot be written to {' or '.join(map(str, folders))}; "
        "name another folder with KERASNETS_CACHE."
    )


def read(folder: Path) -> Dataset | None:
    """The dataset in `folder`, mapped into memory; None if absent or damaged."""
    if not (folder / "meta.json").exists():
        return None
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        arrays = {}
        for name in _ARRAYS:
            path = folder / f"{name}.npy"
            if path.stat().st_size != meta["bytes"][name]:
                raise ValueError(f"{path} has the wrong size")
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        return Dataset(
            name=meta["name"],
            train=Split(arrays["train_images"], arrays["train_labels"]),
            test=Split(arrays["test_images"], arrays["test_labels"]),
            class_names=tuple(meta["class_names"]),
            mean=np.array(meta["mean"]),
            std=np.array(meta["std"]),
            fingerprint=meta["fingerprint"],
            note=meta["note"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the cache %s is damaged (%s) and is made anew", folder, error)
        return None


def write(folder: Path, dataset: Dataset) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".tmp-{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        sizes = {}
        for name in _ARRAYS:
            split, what = name.split("_")
            path = temporary / f"{name}.npy"
            with path.open("wb") as file:
                np.save(file, getattr(getattr(dataset, split), what))
                _sync(file)
            sizes[name] = path.stat().st_size
        meta = {
            "name": dataset.name,
            "class_names": dataset.class_names,
            "mean": dataset.mean.tolist(),
            "std": dataset.std.tolist(),
            "fingerprint": dataset.fingerprint,
            "note": dataset.note,
            "bytes": sizes,
        }
        with (temporary / "meta.json").open("w", encoding="utf-8") as file:
            json.dump(meta, file)
            _sync(file)
        if folder.exists() and read(folder) is None:
            shutil.rmtree(folder)
        # Fails where another process has finished first, which is as good.
        with contextlib.suppress(OSError):
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())
