"""Labelled image files as arrays: a folder of classes, or a manifest."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.catalog.image_files import ImageFiles
from kerasnets.datasets.dataset import Dataset, Split, fingerprint, statistics
from kerasnets.datasets.images import decode, empty_images, opened, reason
from kerasnets.datasets.sources.reported import reported
from kerasnets.errors import DatasetError, raise_unless_data, shown

CROPPED = 0.875
ON_CORRUPT = ("stop", "skip")
_NAMED = 10  # files that a message names


@dataclass(frozen=True)
class Header:
    """What an image file says before its pixels.

    Attributes:
        width, height: pixels, as stored.
        mode: Pillow's.
        form: its format.
        frames: images in the file.
    """

    width: int
    height: int
    mode: str
    form: str
    frames: int

    @property
    def is_grey(self) -> bool:
        return self.mode in ("1", "L", "LA", "La", "F") or self.mode.startswith("I")


def header(path: Path) -> Header | str:
    """The file's header; or, in a line, why it cannot be read."""
    data = b""
    try:
        data = path.read_bytes()
        with opened(data) as image:
            grey_palette = image.mode == "P" and _is_grey(image)
            return Header(
                image.width,
                image.height,
                "L" if grey_palette else image.mode,
                image.format or "",
                getattr(image, "n_frames", 1),
            )
    except OSError as error:
        if error.filename:
            return error.strerror or "it cannot be read"
        return reason(error, data)
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        return reason(error, data)


def _is_grey(image) -> bool:
    palette = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def key(files: ImageFiles, how: str) -> str:
    """Name of the decoded cache: changes when a file does, or what is made of them."""
    digest = hashlib.sha256(f"1 {how}".encode())
    for name in files.class_names:
        digest.update(os.fsencode(name) + b"\0")
    for path, label, split in zip(files.paths, files.labels, files.splits, strict=True):
        state = path.stat()
        digest.update(os.fsencode(path.relative_to(files.place.parent)))
        digest.update(
            f" {label} {split} {state.st_size} {state.st_mtime_ns}\0".encode()
        )
    return f"files-{digest.hexdigest()[:24]}"


def read(
    name: str,
    files: ImageFiles,
    image_size: int,
    channels: int,
    *,
    resize: str,
    background: str,
    on_corrupt: str = "stop",
) -> Dataset:
    """Decode and resize every image.

    Training and validation images are rows of the train split, the latter its
    `held_out`. Without a test split that is left empty.

    Raises:
        DatasetError: files cannot be read, which are named, unless they are skipped; a
            class then has no images left; or the same image has two labels.
    """
    images = empty_images(len(files.paths), image_size, channels)
    contents = np.zeros((len(files.paths), 16), np.uint8)
    unreadable: dict[int, str] = {}
    animated = 0
    for row, path in enumerate(_reported(name, files.paths)):
        try:
            data = path.read_bytes()
            contents[row] = np.frombuffer(hashlib.sha256(data).digest()[:16], np.uint8)
            images[row], _ = decode(
                data, image_size, channels, resize=resize, background=background
            )
        except OSError as error:
            unreadable[row] = error.strerror or "it cannot be read"
        except ValueError as error:
            unreadable[row] = str(error)
    if unreadable and on_corrupt == "stop":
        raise DatasetError(_cannot_be_read(files, unreadable))
    labels = np.array(files.labels, np.int64)
    splits = np.array(files.splits)
    rows = np.setdiff1d(np.arange(len(labels)), np.array(list(unreadable), int))
    _, groups = np.unique(contents, axis=0, return_inverse=True)
    groups = groups.reshape(-1)
    _check_labels(files, labels, groups, rows)
    tested = rows[splits[rows] == "test"]
    trained = rows[splits[rows] != "test"]
    # An image that is tested on is not learned from.
    repeated = np.isin(groups[trained], groups[tested])
    trained = trained[~repeated]
    held = splits[trained] == "validation"
    learned = trained[~held]
    again = held & np.isin(groups[trained], groups[learned])
    trained, held = trained[~again], held[~again]
    for label, class_name in enumerate(files.class_names):
        if not np.any(labels[learned] == label):
            raise DatasetError(
                f"{shown(files.place)} has no training image of "
                f"{shown(class_name)} that can be read and is not tested on too."
            )
    notes = [f"{len(files.paths):,} image files"]
    for count, what in (
        (files.ignored, "other files ignored"),
        (len(unreadable), "unreadable ones left out"),
        (int(repeated.sum() + again.sum()), "left out as another split has them too"),
    ):
        if count:
            notes.append(f"{count:,} {what}")
    del animated
    train = Split(images[trained], labels[trained])
    test = Split(images[tested], labels[tested])
    mean, std = statistics(train.images, np.flatnonzero(~held))
    return Dataset(
        name=name,
        train=train,
        test=test,
        class_names=files.class_names,
        mean=mean,
        std=std,
        fingerprint=fingerprint(files.class_names, train, test),
        note=", ".join(notes),
        held_out=np.flatnonzero(held) if held.any() else None,
        groups=groups[trained].astype(np.int64),
    )


def _reported(name: str, paths: tuple[Path, ...]) -> Iterator[Path]:
    return reported(Path(name).name, len(paths), iter(paths))


def _cannot_be_read(files: ImageFiles, unreadable: dict[int, str]) -> str:
    lines = [
        f"{shown(_within(files, row))} ({shown(why)})"
        for row, why in list(unreadable.items())[:_NAMED]
    ]
    more = len(unreadable) - _NAMED
    return (
        f"{len(unreadable):,} of {len(files.paths):,} images cannot be read: "
        f"{'; '.join(lines)}{f'; and {more:,} more' if more > 0 else ''}. Remove them, "
        "or leave them out with --on-corrupt skip."
    )


def _within(files: ImageFiles, row: int) -> Path:
    top = files.place if files.place.is_dir() else files.place.parent
    path = files.paths[row]
    return path.relative_to(top) if path.is_relative_to(top) else path


def _check_labels(
    files: ImageFiles, labels: np.ndarray, groups: np.ndarray, rows: np.ndarray
) -> None:
    """Refuse one image with two labels: one of them is wrong."""
    pairs = np.unique(np.stack([groups[rows], labels[rows]]), axis=1)
    group, count = np.unique(pairs[0], return_counts=True)
    unclear = group[count > 1]
    if len(unclear):
        same = rows[groups[rows] == unclear[0]]
        first = same[0]
        other = same[labels[same] != labels[first]][0]
        raise DatasetError(
            f"{len(unclear):,} images have two labels: {shown(_within(files, first))} "
            f"({shown(files.class_names[labels[first]])}) and "
            f"{shown(_within(files, other))} "
            f"({shown(files.class_names[labels[other]])}) are the same file, for one."
        )


__all__ = ["Counter", "Header", "header", "key", "read"]
