"""Decoded images on disk, mapped into memory.

A cache folder is built under a temporary name and then renamed, so it is complete or
absent. If two processes build the same one, the first to finish is kept.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split, fingerprint
from kerasnets.datasets.streamed_images import Form, StreamedImages
from kerasnets.errors import DatasetError
from kerasnets.storage.folders import why_not_writable

_LABELS = ("train_labels", "test_labels")
_IMAGES = ("train_images", "test_images")
_LEVELS = ("train_levels", "test_levels")  # of images that are streamed
_LEFT_BEHIND_S = 24 * 3600
_log = logging.getLogger(__name__)


def cached(folders: list[Path], key: str, build: Callable[[], Dataset]) -> Dataset:
    """The dataset cached under `key` in the first of `folders` that has it; otherwise
    the result of `build`, cached in the first folder that can be written.

    Raises:
        DatasetError: none of the folders can be written (checked before `build`), or
            their disks are full.
    """
    dataset = None
    for folder in folders:
        dataset = read(folder / key)
        if dataset:
            return dataset
    refusals = []
    for folder in folders:
        obstacle = why_not_writable(folder)
        if obstacle:
            refusals.append(f"{folder} ({obstacle})")
            continue
        dataset = dataset or build()
        try:
            write(folder / key, dataset)
            return read(folder / key) or dataset
        except OSError as error:
            # NumPy's own error for a full disk has no strerror.
            refusals.append(f"{folder} ({error.strerror or error})")
    raise DatasetError(
        "decoded images cannot be written to "
        f"{' or '.join(refusals) or 'a home folder, as there is none'}; "
        "name another folder with KERASNETS_CACHE."
    )


def read(folder: Path) -> Dataset | None:
    """The dataset in `folder`, mapped into memory; None if absent, damaged or not
    readable."""
    try:
        return _read(folder) if folder.exists() else None
    except _DAMAGE as error:
        _log.warning("the cache %s is damaged (%s) and is rebuilt", folder, error)
    except OSError as error:
        _log.warning("the cache %s cannot be read (%s)", folder, error.strerror)
    return None


_DAMAGE = (
    *(FileNotFoundError, NotADirectoryError, IsADirectoryError),
    *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
)


def _read(folder: Path) -> Dataset:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    if "sha256" not in meta:
        raise ValueError("it has no digest: an earlier version made it")
    if meta.pop("sha256") != _digest(meta):
        raise ValueError("meta.json is not what was written")
    streamed = meta.get("streamed")
    arrays = {}
    for name in (*_LABELS, *(_LEVELS if streamed else _IMAGES)):
        path = folder / f"{name}.npy"
        if path.stat().st_size != meta["bytes"][name]:
            raise ValueError(f"{path.name} has the wrong size")
        arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    class_names = tuple(meta["class_names"])
    if streamed:
        form = Form(**streamed["form"])
        train, test = (
            Split(
                StreamedImages(
                    streamed["paths"][split],
                    np.array(streamed["states"][split], np.int64).reshape(-1, 2),
                    form,
                    arrays[f"{split}_levels"],
                ),
                arrays[f"{split}_labels"],
            )
            for split in ("train", "test")
        )
        if _levels_digest(train, test) != streamed["levels"]:
            raise ValueError("its labels or levels are not what was written")
    else:
        train = Split(arrays["train_images"], arrays["train_labels"])
        test = Split(arrays["test_images"], arrays["test_labels"])
        # Reads every byte: 0.1 to 0.5 s for CIFAR's 184 MB, which training reads anyway
        if fingerprint(class_names, train, test) != meta["fingerprint"]:
            raise ValueError("its images or labels are not what was decoded")
    return Dataset(
        name=meta["name"],
        train=train,
        test=test,
        class_names=class_names,
        mean=np.array(meta["mean"]),
        std=np.array(meta["std"]),
        fingerprint=meta["fingerprint"],
        note=meta["note"],
        held_out=_rows(meta.get("held_out")),
        groups=_rows(meta.get("groups")),
        files=meta.get("files"),
        contents=bytes.fromhex(meta["contents"]) if "contents" in meta else None,
    )


def _rows(values: list[int] | None) -> np.ndarray | None:
    return None if values is None else np.array(values, np.int64)


def write(folder: Path, dataset: Dataset) -> None:
    """Cache a dataset, unless another process has done so in the meantime.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(folder.parent)
    temporary = folder.with_name(f".tmp-{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        sizes = {}
        for split_name in ("train", "test"):
            split = getattr(dataset, split_name)
            arrays = {"labels": split.labels}
            if isinstance(split.images, StreamedImages):
                arrays["levels"] = split.images.levels
            else:
                arrays["images"] = split.images
            for what, array in arrays.items():
                path = temporary / f"{split_name}_{what}.npy"
                with path.open("wb") as file:
                    np.save(file, array)
                    _sync(file)
                sizes[path.stem] = path.stat().st_size
        meta: dict[str, Any] = {
            "name": dataset.name,
            "class_names": dataset.class_names,
            "mean": dataset.mean.tolist(),
            "std": dataset.std.tolist(),
            "fingerprint": dataset.fingerprint,
            "note": dataset.note,
            "bytes": sizes,
        }
        for name in ("held_out", "groups"):
            rows = getattr(dataset, name)
            if rows is not None:
                meta[name] = rows.tolist()
        streamed = {
            name: images
            for name in ("train", "test")
            if isinstance(images := getattr(dataset, name).images, StreamedImages)
        }
        if streamed:
            meta["streamed"] = {
                "form": asdict(streamed["train"].form),
                "paths": {name: list(one.paths) for name, one in streamed.items()},
                "states": {name: one.states.tolist() for name, one in streamed.items()},
                "levels": _levels_digest(dataset.train, dataset.test),
            }
        if dataset.files is not None:
            meta["files"] = dict(dataset.files)
        if dataset.contents is not None:
            meta["contents"] = dataset.contents.hex()
        with (temporary / "meta.json").open("w", encoding="utf-8") as file:
            json.dump({**meta, "sha256": _digest(meta)}, file)
            _sync(file)
        try:
            _read(folder)
        except _DAMAGE:
            shutil.rmtree(folder, ignore_errors=True)
        # Fails if another process has finished first, whose cache is as good.
        with contextlib.suppress(OSError):
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _levels_digest(*splits: Split) -> str:
    digest = hashlib.sha256()
    for split in splits:
        assert isinstance(split.images, StreamedImages)
        digest.update(np.ascontiguousarray(split.labels).data)
        digest.update(np.ascontiguousarray(split.images.levels).data)
    return digest.hexdigest()


def _digest(meta: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _remove_left_behind(parent: Path) -> None:
    """Remove folders left by killed processes. Writing takes seconds, so old ones are
    abandoned."""
    for left in parent.glob(".tmp-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                shutil.rmtree(left)


def _sync(file: BinaryIO | TextIO) -> None:
    file.flush()
    os.fsync(file.fileno())
