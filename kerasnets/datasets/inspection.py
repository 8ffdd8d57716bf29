"""Inspection of a dataset: classes, sizes, formats, damage, duplicates, mean images.

Each image is read at its own size by `kerasnets.datasets.images.read_file`.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasnets.catalog import locations
from kerasnets.catalog.image_files import list_images
from kerasnets.catalog.image_headers import read_bytes
from kerasnets.catalog.places import as_place, is_place, located
from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.duplicates import SIDE, Duplicates, find
from kerasnets.datasets.images import as_array, read_file
from kerasnets.datasets.sources.reported import in_order, reported

MEAN_SIDE = 64  # pixels of a mean image


@dataclass(frozen=True)
class _Item:
    """One image: its name, split and class, and a reader of its file."""

    name: str
    split: str
    label: int
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection.

    Attributes:
        dataset: name or path, as in a recipe.
        class_names: by class index.
        splits: names, in order of appearance.
        counts: readable images, int [splits, classes].
        ignored: other files in the folder.
        widths, heights: pixels after EXIF rotation, int [images].
        modes, forms: counts of images by Pillow mode and format.
        frames: number of files with several images, of which the first is used.
        unreadable: reasons by name of the files that cannot be read.
        duplicates: images that occur more than once.
        means: uint8 [classes, side, side, 3], the mean image of each class.
    """

    dataset: str
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    counts: np.ndarray
    ignored: int
    widths: np.ndarray
    heights: np.ndarray
    modes: Counter[str]
    forms: Counter[str]
    frames: int
    unreadable: dict[str, str]
    duplicates: Duplicates
    means: np.ndarray

    @property
    def empty(self) -> list[tuple[str, str]]:
        """Pairs (class, split) of train and test splits without images."""
        return [
            (self.class_names[label], split)
            for row, split in enumerate(self.splits)
            if split in ("train", "test")
            for label in (self.counts[row] == 0).nonzero()[0]
        ]

    @property
    def broken(self) -> bool:
        """Whether a file cannot be read, a class is empty, or two classes share an
        image."""
        return bool(self.unreadable or self.empty or self.duplicates.across_classes)

    def to_json(self) -> dict[str, Any]:
        """The content of inspection.json."""
        total = self.counts.sum()
        return {
            "dataset": self.dataset,
            "broken": self.broken,
            "images": int(total),
            "ignored_files": self.ignored,
            "classes": [
                {
                    "name": name,
                    **{
                        split: int(self.counts[row, label])
                        for row, split in enumerate(self.splits)
                    },
                    "share": float(self.counts[:, label].sum() / max(total, 1)),
                }
                for label, name in enumerate(self.class_names)
            ],
            "empty": [{"class": name, "split": split} for name, split in self.empty],
            "width": _range(self.widths),
            "height": _range(self.heights),
            "aspect_ratio": _range(self.widths / np.maximum(self.heights, 1)),
            "sizes": {
                f"{width}x{height}": count
                for (width, height), count in Counter(
                    zip(self.widths.tolist(), self.heights.tolist(), strict=True)
                ).most_common(_SIZES)
            },
            "modes": dict(self.modes.most_common()),
            "formats": dict(self.forms.most_common()),
            "several_images": self.frames,
            "unreadable": self.unreadable,
            "duplicates": self.duplicates.to_json(self.class_names),
        }


_SIZES = 20  # most common sizes that are recorded


def _range(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    least, middle, most = np.quantile(values, (0, 0.5, 1)).round(3).tolist()
    return {"min": least, "median": middle, "max": most}


def inspect(dataset: str, data_dir: Path | str | None = None) -> Inspection:
    """Read every image of a dataset.

    Args:
        dataset: a name, or the path of a folder or a manifest of images.
        data_dir: folder of prepared datasets, TFDS_DATA_DIR unless given; for own
            images, their current location.

    Raises:
        DatasetError: the dataset is missing or damaged, or has fewer than two classes.
        InstallationError: a package needed to read it cannot be imported.
    """
    dataset = as_place(dataset, data_dir)
    class_names, count, ignored, items = _items(dataset, data_dir)
    seen: list[_Seen] = []
    unreadable: dict[str, str] = {}
    sums = np.zeros((len(class_names), MEAN_SIDE, MEAN_SIDE, 3))
    thumbnails = np.empty((count, SIDE, SIDE, 3), np.uint8)
    splits: dict[str, None] = {}
    with ThreadPoolExecutor(allowed_cores()) as pool:
        for one, pictures in reported("images", count, in_order(pool, _see, items)):
            splits[one.split] = None
            if pictures is None:
                unreadable[one.name] = one.obstacle
                continue
            thumbnails[len(seen)], mean = pictures
            sums[one.label] += mean
            seen.append(one)
    places = {split: row for row, split in enumerate(splits)}
    labels = np.array([one.label for one in seen], np.int64)
    of_split = np.array([places[one.split] for one in seen], np.int64)
    counts = np.zeros((len(places), len(class_names)), np.int64)
    np.add.at(counts, (of_split, labels), 1)
    per_class = np.maximum(counts.sum(axis=0), 1)[:, None, None, None]
    return Inspection(
        dataset=dataset,
        class_names=tuple(class_names),
        splits=tuple(places),
        counts=counts,
        ignored=ignored,
        widths=np.array([one.size[0] for one in seen], np.int64),
        heights=np.array([one.size[1] for one in seen], np.int64),
        modes=Counter(one.mode for one in seen),
        forms=Counter(one.form for one in seen),
        frames=sum(one.frames for one in seen),
        unreadable=unreadable,
        duplicates=find(
            names=[one.name for one in seen],
            splits=[one.split for one in seen],
            labels=labels,
            pixels=[one.pixels for one in seen],
            thumbnails=thumbnails[: len(seen)],
        ),
        means=np.round(sums / per_class).astype(np.uint8),
    )


@dataclass(frozen=True)
class _Seen:
    """Facts about one image, which stay in memory.

    Attributes:
        pixels: SHA-256 of the upright pixels.
        obstacle: why the file cannot be read, or "".
    """

    name: str
    split: str
    label: int
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    form: str = ""
    frames: bool = False
    pixels: bytes = b""
    obstacle: str = ""


def _see(item: _Item) -> tuple[_Seen, tuple[np.ndarray, np.ndarray] | None]:
    """An image with its thumbnail and its part of the mean image, uint8
    [side, side, 3]; None where it cannot be read."""
    where = item.name, item.split, item.label
    try:
        found = read_file(item.content())
    except (OSError, ValueError) as error:
        strerror = getattr(error, "strerror", None)
        return _Seen(*where, obstacle=strerror or str(error)), None
    image = found.image
    digest = hashlib.sha256(f"{image.size}".encode())
    digest.update(image.convert("RGB").tobytes())
    seen = _Seen(
        *where, image.size, found.mode, found.form, found.frames, digest.digest()
    )
    return seen, (as_array(image, SIDE, 3), as_array(image, MEAN_SIDE, 3))


def _items(
    dataset: str, data_dir: Path | str | None
) -> tuple[tuple[str, ...], int, int, Iterator[_Item]]:
    """Class names, numbers of images and of ignored files, and the images."""
    if is_place(dataset):
        files = list_images(located(dataset, data_dir), complete=False)
        items = (
            _Item(name, split, label, partial(read_bytes, path))
            for name, split, label, path in zip(
                files.names, files.splits, files.labels, files.paths, strict=True
            )
        )
        return files.class_names, len(files.paths), files.ignored, items
    if dataset == "digits":
        return _digits()
    from kerasnets.datasets.download.prepare import prepare
    from kerasnets.datasets.sources import tfds

    data = locations.data_folder(data_dir)
    folder = locations.prepared_folder(dataset, data) or prepare(dataset, data_dir=data)
    stored = tfds.Stored.of(dataset, folder)
    items = (
        _Item(f"{split}[{row}]", split, label, partial(bytes, content))
        for split in stored.splits
        for row, (content, label) in enumerate(stored.examples(split))
        if label >= 0
    )
    return stored.class_names, sum(stored.splits.values()), 0, items


def _digits() -> tuple[tuple[str, ...], int, int, Iterator[_Item]]:
    from kerasnets.datasets.sources.digits import load_digits

    digits = load_digits(8, 1)
    items = (
        _Item(f"{name}[{row}]", name, int(label), partial(_png, image[..., 0]))
        for name, split in (("train", digits.train), ("test", digits.test))
        for row, (image, label) in enumerate(
            zip(split.images[:], split.labels, strict=True)
        )
    )
    return digits.class_names, len(digits.train) + len(digits.test), 0, items


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
