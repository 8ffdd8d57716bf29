"""Labelled image files, listed from a folder or a manifest.

    photos/cat/1.jpg                    a folder with one subfolder per class
    photos/train/cat/1.jpg              under train, test and optionally validation
    photos.csv (.tsv .jsonl .parquet)   columns path and label, optionally split

Only names and the manifest are read; images are opened elsewhere.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.catalog.places import MANIFESTS
from kerasnets.errors import DatasetError, InstallationError, shown, unknown

# Extensions of image files, in lower case. Files with others are ignored, but counted.
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp"),
    *(".dib", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
    ".ico",
)
SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {**{name: name for name in SPLITS}, "val": "validation"}
_NAMED = 5  # maximum number of files or classes listed in a message


@dataclass(frozen=True)
class ImageFiles:
    """The labelled image files of a folder or manifest.

    Attributes:
        place: the folder or manifest.
        names: of the files, as in the manifest or relative to the folder with "/";
            sorted by the last component within each split, so that numbered files keep
            their order across classes.
        paths: of the files.
        labels: class indices.
        splits: of each file, one of `SPLITS`; all "train" if there are no splits.
        class_names: sorted; a class may have no files.
        ignored: number of hidden files and files that are not images.
    """

    place: Path
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    ignored: int

    def has(self, split: str) -> bool:
        return split in self.splits

    def empty_classes(self, split: str) -> list[str]:
        """Names of the classes without files in a split."""
        some = {
            label
            for label, of in zip(self.labels, self.splits, strict=True)
            if of == split
        }
        return [n for label, n in enumerate(self.class_names) if label not in some]


def list_images(place: Path, *, complete: bool = True) -> ImageFiles:
    """List the labelled images of a folder or a manifest.

    Args:
        complete: whether every class must have training images and, if there is a test
            split, test images.

    Raises:
        DatasetError: `place` is missing or cannot be read; it has fewer than two
            classes; a class lacks images; or a manifest lacks a column, names a missing
            file, or assigns two labels to a file.
    """
    if place.is_dir():
        found = _of_folder(place)
    elif place.suffix.lower() in MANIFESTS and place.exists():
        found = _of_manifest(place)
    else:
        reason = "is not a folder of images" if place.exists() else "is not there"
        raise DatasetError(
            f"{shown(place)} {reason}; name a folder with one subfolder per class, or "
            f"a manifest ({', '.join(MANIFESTS)})."
        )
    _check(found, complete)
    return found


def _check(found: ImageFiles, complete: bool) -> None:
    place = shown(found.place)
    if not found.class_names:
        raise DatasetError(
            f"{place} has no subfolders with images; one for each class is needed."
        )
    if len(found.class_names) == 1:
        raise DatasetError(
            f"{place} has a single class, {shown(found.class_names[0])}; two or more "
            "are needed."
        )
    for split in ("train", "test"):
        empty = found.empty_classes(split)
        if complete and empty and (split == "train" or found.has(split)):
            raise DatasetError(
                f"{place} has no {split} images of {_several(empty)}; every class "
                "needs some."
            )


def _several(names: list[str]) -> str:
    more = len(names) - _NAMED
    listed = ", ".join(map(shown, names[:_NAMED]))
    return listed + (f" and {more} more" if more > 0 else "")


def _of_folder(place: Path) -> ImageFiles:
    tops = _split_folders(place) or {"train": place}
    ignored = 0 if "train" in tops and tops["train"] == place else _others(place)
    found: list[_Found] = []
    class_names: set[str] = set()
    for split, top in tops.items():
        ignored += _others(top)
        for folder in _subfolders(top):
            paths, others = _images_within(folder)
            ignored += others
            class_names.add(folder.name)
            found += [
                _Found(split, folder.name, path.relative_to(place).as_posix(), path)
                for path in paths
            ]
    return _made(place, found, class_names if found else set(), ignored)


def _split_folders(place: Path) -> dict[str, Path]:
    """The folders of the splits; empty if the subfolders are classes."""
    folders = _subfolders(place)
    tops: dict[str, Path] = {}
    for folder in folders:
        split = _SPLIT_NAMES.get(folder.name.lower())
        if split in tops:
            raise DatasetError(
                f"{shown(place)} has two folders of {split} images: "
                f"{shown(tops[split].name)} and {shown(folder.name)}."
            )
        if split:
            tops[split] = folder
    only_splits = "train" in tops and len(tops) == len(folders)
    return tops if only_splits or {"train", "test"} <= set(tops) else {}


def _others(folder: Path) -> int:
    return sum(not entry.is_dir() for entry in folder.iterdir())


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DatasetError(
            f"{shown(folder)} cannot be read: {error.strerror}."
        ) from error
    return [e for e in entries if e.is_dir() and not e.name.startswith(".")]


def _images_within(folder: Path) -> tuple[list[Path], int]:
    """Image files at any depth, sorted, links followed; and the number of other
    files."""
    images, others = [], 0
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        state = Path(top).stat()
        if (state.st_dev, state.st_ino) in seen:  # a link to a parent folder
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
    if not rows:
        raise DatasetError(f"{shown(place)} has no rows.")
    for column in ("path", "label"):
        if column not in rows[0]:
            has = ", ".join(sorted(shown(name) for name in rows[0] if name))
            raise DatasetError(
                f"{shown(place)} lacks the column {column!r}; it has {has or 'none'}."
            )
    found: dict[Path, _Found] = {}
    missing = []
    for number, row in enumerate(rows, 1):
        name, label, split = (_text(row.get(key)) for key in ("path", "label", "split"))
        if not name or not label:
            raise DatasetError(f"{shown(place)}: row {number} lacks a path or a label.")
        split = split or "train"
        if split.lower() not in _SPLIT_NAMES:
            raise DatasetError(
                f"{shown(place)}: row {number}: "
                + unknown("split", split, _SPLIT_NAMES)
            )
        path = place.parent / name
        one = _Found(_SPLIT_NAMES[split.lower()], label, name, path)
        if not path.is_file():
            missing.append(name)
        first = found.setdefault(path, one)
        if (first.split, first.label) != (one.split, one.label):
            raise DatasetError(
                f"{shown(place)} gives {shown(name)} twice: as {shown(first.label)} "
                f"({first.split}) and as {shown(one.label)} ({one.split})."
            )
    if missing:
        raise DatasetError(
            f"{shown(place)} names {len(missing):,} "
            f"file{'s that are' if len(missing) > 1 else ' that is'} not there: "
            f"{_several(missing)}."
        )
    return _made(place, list(found.values()), {one.label for one in found.values()}, 0)


def _text(value: Any) -> str:
    """A cell with text or a number as text; "" for anything else."""
    is_number = isinstance(value, int | float) and value == value
    return str(value) if isinstance(value, str) or is_number else ""


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


@dataclass(frozen=True)
class _Found:
    """One image file, see `ImageFiles`; its label is the name of a class."""

    split: str
    label: str
    name: str
    path: Path


def _made(
    place: Path, found: list[_Found], class_names: set[str], ignored: int
) -> ImageFiles:
    names = sorted(class_names)
    index = {name: label for label, name in enumerate(names)}
    found = sorted(
        found,
        key=lambda one: (
            SPLITS.index(one.split),
            one.name.rpartition("/")[2],
            one.label,
            one.name,
        ),
    )
    return ImageFiles(
        place,
        names=tuple(one.name for one in found),
        paths=tuple(one.path for one in found),
        labels=tuple(index[one.label] for one in found),
        splits=tuple(one.split for one in found),
        class_names=tuple(names),
        ignored=ignored,
    )
