"""Labelled image files: which there are in a folder or a manifest, and of which class.

    photos/cat/1.jpg                    a folder with one subfolder a class
    photos/train/cat/1.jpg              with train, test and perhaps validation above them
    photos.csv (.tsv .jsonl .parquet)   columns path and label, perhaps split

Only names are read, and of a manifest its lines; images are opened elsewhere.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.errors import DatasetError, InstallationError, shown, unknown

# By their endings, in lower case. Files with others are not images, and are counted.
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp"),
    *(".dib", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
    ".ico",
)
MANIFESTS = (".csv", ".tsv", ".jsonl", ".parquet")
SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {**{name: name for name in SPLITS}, "val": "validation"}
_NAMED = 5  # files that a message names


@dataclass(frozen=True)
class ImageFiles:
    """The labelled image files at a place.

    Attributes:
        place: the folder, or the manifest.
        paths: in the order of their names within each split and class.
        labels: class indices.
        splits: of each file, one of `SPLITS`; all "train" where the place has no splits.
        class_names: sorted; a class may be without files.
        ignored: hidden files, and files that are not images.
    """

    place: Path
    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    ignored: int

    def has(self, split: str) -> bool:
        return split in self.splits


def is_place(dataset: str) -> bool:
    """Whether a dataset's name is where image files are, and not a name of TFDS."""
    return Path(dataset).is_absolute()


def as_place(dataset: str, known: Iterable[str] = ()) -> str:
    """The name as recipes have it: an absolute path for a folder or a manifest that is
    there; any other name as it is.

    Args:
        known: names that mean datasets, though a folder here may be called so too.
    """
    looks = dataset.startswith((".", "~", os.sep)) or dataset.endswith(os.sep)
    path = Path(dataset).expanduser() if dataset.startswith("~") else Path(dataset)
    if looks or path.suffix.lower() in MANIFESTS or path.is_absolute():
        return os.path.abspath(path)  # noqa: PTH100  (resolve() would follow links)
    if dataset not in known and path.is_dir():
        return os.path.abspath(path)  # noqa: PTH100
    return dataset


def list_images(place: Path) -> ImageFiles:
    """The labelled images of a folder or a manifest.

    Raises:
        DatasetError: it is missing or cannot be read; there are fewer than two classes;
            a class has no training images, or none to test on where there is a test
            split; a manifest lacks a column, names a missing file, or gives a file two
            labels.
    """
    if place.suffix.lower() in MANIFESTS and not place.is_dir():
        found = _of_manifest(place)
    elif place.is_dir():
        found = _of_folder(place)
    else:
        reason = "is not a folder of images" if place.exists() else "is not there"
        raise DatasetError(
            f"{shown(place)} {reason}; name a folder with one subfolder a class, or a "
            f"manifest ({', '.join(MANIFESTS)})."
        )
    _check(found)
    return found


def _check(found: ImageFiles) -> None:
    place = shown(found.place)
    if len(found.class_names) < 2:
        named = f", {shown(found.class_names[0])}" if found.class_names else ""
        raise DatasetError(
            f"{place} has {len(found.class_names)} class{named}; two or more are "
            "needed, each a subfolder with images."
            if len(found.class_names) == 1
            else f"{place} has no subfolder with images; one for each class is needed."
        )
    counts = Counter(zip(found.splits, found.labels, strict=True))
    for split in ("train", "test"):
        if not found.has(split) and split == "test":
            continue
        empty = [
            shown(name)
            for label, name in enumerate(found.class_names)
            if not counts[split, label]
        ]
        if empty:
            raise DatasetError(
                f"{place} has no {split} images of {_several(empty)}; every class needs "
                "some."
            )


def _several(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _of_folder(place: Path) -> ImageFiles:
    folders = _subfolders(place)
    split_folders = {
        _SPLIT_NAMES[folder.name.lower()]: folder
        for folder in folders
        if folder.name.lower() in _SPLIT_NAMES
    }
    if not {"train", "test"} <= set(split_folders):
        split_folders = {"train": place}
    ignored = 0
    found: list[tuple[str, str, Path]] = []
    names: set[str] = set()
    for split in SPLITS:
        if split not in split_folders:
            continue
        top = split_folders[split]
        ignored += sum(not entry.is_dir() for entry in top.iterdir())
        for folder in _subfolders(top):
            paths, others = _images_within(folder)
            ignored += others
            if paths or split == "train":
                names.add(folder.name)
            found += [(split, folder.name, path) for path in paths]
    # A subfolder without an image or anything else is no class.
    used = {name for _, name, _ in found}
    names = {name for name in names if name in used or _is_class(split_folders, name)}
    return _made(place, found, names, ignored)


def _is_class(split_folders: Mapping[str, Path], name: str) -> bool:
    return any((folder / name).is_dir() for folder in split_folders.values())


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DatasetError(
            f"{shown(folder)} cannot be read: {error.strerror}."
        ) from error
    return [e for e in entries if e.is_dir() and not e.name.startswith(".")]


def _images_within(folder: Path) -> tuple[list[Path], int]:
    """Image files at any depth, sorted, links followed; and how many others."""
    images, others = [], 0
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        state = os.stat(top)
        if (state.st_dev, state.st_ino) in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            hidden = name.startswith(".")
            if not hidden and Path(name).suffix.lower() in ENDINGS:
                images.append(Path(top, name))
            else:
                others += 1
    return sorted(images), others


def _refuse(error: OSError) -> None:
    raise DatasetError(f"{shown(error.filename)} cannot be read: {error.strerror}.")


def _of_manifest(place: Path) -> ImageFiles:
    rows = list(_rows(place))
    columns = set(rows[0]) if rows else set()
    for column in ("path", "label"):
        if column not in columns:
            has = ", ".join(sorted(map(shown, columns))) or "none"
            raise DatasetError(
                f"{shown(place)} lacks the column {column!r}; it has {has}."
            )
    found: dict[Path, tuple[str, str]] = {}
    missing = []
    for number, row in enumerate(rows, 1):
        name, label = row.get("path"), row.get("label")
        if name in (None, "") or label in (None, ""):
            raise DatasetError(f"{shown(place)}: row {number} lacks a path or a label.")
        split = str(row.get("split") or "train")
        if split.lower() not in _SPLIT_NAMES:
            raise DatasetError(
                f"{shown(place)}: row {number}: "
                + unknown("split", split, _SPLIT_NAMES)
            )
        path = place.parent / str(name)
        value = _SPLIT_NAMES[split.lower()], str(label)
        if not path.is_file():
            missing.append(shown(name))
        if found.setdefault(path, value) != value:
            raise DatasetError(
                f"{shown(place)} gives {shown(name)} two labels or splits: "
                f"{shown(' and '.join(map(str, found[path][::-1])))}, and "
                f"{shown(' and '.join(map(str, value[::-1])))}."
            )
    if missing:
        raise DatasetError(
            f"{shown(place)} names {len(missing):,} files that are not there: "
            f"{_several(missing)}."
        )
    listed = [(split, label, path) for path, (split, label) in found.items()]
    names = {label for _, label, _ in listed}
    return _made(place, listed, names, 0)


def _rows(place: Path) -> Iterator[Mapping[str, Any]]:
    ending = place.suffix.lower()
    try:
        if ending == ".parquet":
            yield from _parquet_rows(place)
            return
        with place.open(encoding="utf-8-sig", newline="") as file:
            if ending == ".jsonl":
                for line in file:
                    if line.strip():
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise ValueError("a line is not a JSON object")
                        yield row
            else:
                yield from csv.DictReader(
                    file, delimiter="\t" if ending == ".tsv" else ",", strict=True
                )
    except OSError as error:
        raise DatasetError(
            f"{shown(place)} cannot be read: {error.strerror}."
        ) from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise DatasetError(f"{shown(place)} is damaged: {shown(error)}.") from error


def _parquet_rows(place: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InstallationError(
            "a .parquet manifest needs pyarrow; install pyarrow, or write a .csv."
        ) from error
    try:
        for batch in ParquetFile(place).iter_batches():
            yield from batch.to_pylist()
    except ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _made(
    place: Path,
    found: list[tuple[str, str, Path]],
    names: set[str],
    ignored: int,
) -> ImageFiles:
    class_names = tuple(sorted(names))
    index = {name: label for label, name in enumerate(class_names)}
    order = sorted(
        (SPLITS.index(split), index[name], str(path), path)
        for split, name, path in found
    )
    return ImageFiles(
        place,
        paths=tuple(path for *_, path in order),
        labels=tuple(label for _, label, *_ in order),
        splits=tuple(SPLITS[split] for split, *_ in order),
        class_names=class_names,
        ignored=ignored,
    )
