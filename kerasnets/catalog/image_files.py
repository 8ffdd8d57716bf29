"""Labelled image files, listed from a folder or a manifest.

    photos/cat/1.jpg                    a folder with one subfolder per class
    photos/train/cat/1.jpg              under train, test and optionally validation
    photos.csv (.tsv .jsonl .parquet)   columns path and label, optionally split

Only names and the manifest are read; images are opened elsewhere.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.catalog import manifests
from kerasnets.catalog.places import MANIFESTS
from kerasnets.errors import DatasetError, first_line, shown, unknown

# Extensions of image files, in lower case. Files with others are ignored, but counted.
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp"),
    *(".dib", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
    ".ico",
)
SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"val": "validation", "valid": "validation"},
    **{"training": "train", "testing": "test"},
}
# Folders that systems add unasked, with files that look like images.
_OF_SYSTEMS = ("__MACOSX", "@eaDir")
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
        ignored: number of hidden files, files that are not images, and files in hidden
            folders or beside the folders of the splits.
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
    try:
        if place.is_dir():
            found = _of_folder(place)
        elif place.suffix.lower() in MANIFESTS and place.exists():
            found = _of_manifest(place)
        else:
            reason = "is not a folder of images" if place.exists() else "is not there"
            raise DatasetError(
                f"{shown(place)} {reason}; name a folder with one subfolder per class, "
                f"or a manifest ({', '.join(MANIFESTS)})."
            )
    except OSError as error:
        raise DatasetError(
            f"{shown(error.filename or place)} cannot be read: "
            f"{error.strerror or first_line(error)}."
        ) from error
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
    folders, ignored = _entries(place)
    tops = _split_folders(place, folders)
    parts = {} if tops else {"train": folders}
    for split, top in tops.items():
        parts[split], others = _entries(top)
        ignored += others
    if tops:
        foreign = [folder for folder in folders if folder not in tops.values()]
        ignored += sum(map(_count_files, foreign))
    found: list[_Found] = []
    class_names: set[str] = set()
    for split, classes in parts.items():
        for folder in classes:
            paths, others = images_within(folder)
            ignored += others
            class_names.add(folder.name)
            found += [
                _Found(split, folder.name, path.relative_to(place).as_posix(), path)
                for path in paths
            ]
    return _made(place, found, class_names if found else set(), ignored)


def _split_folders(place: Path, folders: list[Path]) -> dict[str, Path]:
    """The folders of the splits; empty if the subfolders are classes.

    Raises:
        DatasetError: two folders are of the same split, or the folders could be either.
    """
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
    if "train" in tops and (len(tops) > 1 or len(folders) == 1):
        return tops
    # A split has a folder for each class, whereas a class has images of its own.
    nested = [one.name for one in tops.values() if _only_folders(one)]
    if nested and ("train" in tops or len(tops) > 1):
        others = [one.name for one in folders if one not in tops.values()]
        beside = f" beside {_several(others)}" if others else ""
        wanted = "'test' or 'validation'" if "train" in tops else "'train'"
        raise DatasetError(
            f"{shown(place)} has folders in {_several(nested)}{beside}, which can be "
            f"splits or classes: splits need a folder {wanted} too, and a class needs "
            "images that are not in further folders."
        )
    return {}


def _only_folders(folder: Path) -> bool:
    return bool(_entries(folder)[0]) and not any(map(_is_image, folder.iterdir()))


def _is_image(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in ENDINGS


def _is_hidden(name: str) -> bool:
    """Whether a folder is not searched."""
    return name.startswith(".") or name in _OF_SYSTEMS


def _entries(folder: Path) -> tuple[list[Path], int]:
    """Subfolders, sorted, and the number of other files, those in hidden folders
    included."""
    folders, others = [], 0
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if not entry.is_dir():
            others += 1
        elif _is_hidden(entry.name):
            others += _count_files(entry)
        else:
            folders.append(entry)
    return folders, others


def _count_files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def images_within(folder: Path) -> tuple[list[Path], int]:
    """Image files at any depth, sorted, links followed; and the number of other files,
    hidden ones included.

    Raises:
        OSError: a folder cannot be read.
    """
    images: list[Path] = []
    others = 0
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        state = Path(top).stat()
        if (state.st_dev, state.st_ino) in seen:  # a link to a parent folder
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        others += sum(
            _count_files(Path(top, one)) for one in folders if _is_hidden(one)
        )
        folders[:] = sorted(one for one in folders if not _is_hidden(one))
        paths = [Path(top, name) for name in names]
        images += filter(_is_image, paths)
        others += sum(not _is_image(path) for path in paths)
    return sorted(images), others


def _raise(error: OSError) -> None:
    raise error


def _of_manifest(place: Path) -> ImageFiles:
    rows = list(manifests.rows(place))
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
        try:
            one = _of_row(row, place.parent)
            if not one.path.is_file():
                missing.append(one.name)
        except ValueError as error:
            raise DatasetError(f"{shown(place)}: row {number} {error}") from error
        except OSError as error:
            raise DatasetError(
                f"{shown(place)}: row {number} names a file that cannot be read: "
                f"{error.strerror}."
            ) from error
        first = found.setdefault(one.path, one)
        if (first.split, first.label) != (one.split, one.label):
            raise DatasetError(
                f"{shown(place)} gives {shown(one.name)} twice: as "
                f"{shown(first.label)} ({first.split}) and as {shown(one.label)} "
                f"({one.split})."
            )
    if missing:
        raise DatasetError(
            f"{shown(place)} names {len(missing):,} "
            f"file{'s that are' if len(missing) > 1 else ' that is'} not there: "
            f"{_several(missing)}."
        )
    return _made(place, list(found.values()), {one.label for one in found.values()}, 0)


def _of_row(row: Mapping[str, Any], folder: Path) -> "_Found":
    """The file of a manifest's row.

    Raises:
        ValueError: a value is missing, or of a type that is not allowed; the message
            follows the row's number.
    """
    name, label, split = (
        manifests.text(row, key) for key in ("path", "label", "split")
    )
    if not name or not label:
        raise ValueError("lacks a path or a label.")
    split = split or "train"
    if split.lower() not in _SPLIT_NAMES:
        raise ValueError(f"has an {unknown('split', split, _SPLIT_NAMES)}")
    return _Found(_SPLIT_NAMES[split.lower()], label, name, folder / name)


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
