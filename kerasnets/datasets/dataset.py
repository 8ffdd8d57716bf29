"""Datasets in memory, or mapped into it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.datasets.streamed_images import StreamedImages, levels_of

Images = np.ndarray | StreamedImages


@dataclass(frozen=True)
class Split:
    """Images with labels.

    Attributes:
        images: uint8 [N, H, W, C], possibly memory-mapped, or decoded on demand.
        labels: int64 [N], class indices.
    """

    images: Images
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A train and a test split, resized.

    Attributes:
        name: as in the recipe.
        class_names: by class index.
        mean, std: float64 [C], of the train split's pixels in [0, 1] without `drawn`.
        fingerprint: SHA-256 of the class names, labels and pixels.
        note: a remark on the images for readers of results, or "".
        drawn: int64 [n], sorted rows of the train split to test on, if the dataset has
            no test split; `test` then is the train split.
        held_out: int64 [n], sorted rows of the train split to validate on, if the
            dataset has its own validation images.
        groups: int64 [N], a number per row of the train split; rows with the same
            number hold the same image and must stay in the same split. None if all
            images differ.
        files: record of image files: "place", "count" (images), "ignored" (other
            files), "unreadable" and "repeated" (omitted) and "sha256" (of names,
            classes, splits and content). None for other datasets.
        contents: SHA-256 of each image file, 32 bytes each in the order in which they
            were listed; None for other datasets.

    Characters in names and note that UTF-8 cannot encode, such as an invalid byte of a
    folder's name, are replaced by backslash escapes.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    fingerprint: str
    note: str
    drawn: np.ndarray | None = None
    held_out: np.ndarray | None = None
    groups: np.ndarray | None = None
    files: Mapping[str, Any] | None = None
    contents: bytes | None = None

    def __post_init__(self) -> None:
        names = tuple(_encoded(name).decode() for name in self.class_names)
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "note", _encoded(self.note).decode())


@dataclass(frozen=True)
class Subset:
    """Some rows of a split.

    Attributes:
        indices: int64 [n], rows of `split`.
    """

    split: Split
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """int64 [n]."""
        return self.split.labels[self.indices]


def statistics(
    images: Images, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per channel, float64 [C], of uint8 [N, H, W, C]
    images scaled to [0, 1], from exact integer sums.

    Args:
        rows: int64 [n], the images to include; all unless given.
    """
    chosen = np.arange(len(images)) if rows is None else rows
    cuts = range(_ROWS, len(chosen), _ROWS)
    parts = np.split(chosen, cuts)
    counts = np.sum([_level_counts(images, part) for part in parts], axis=0)
    levels = np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    return mean, np.sqrt(np.maximum(variance, 0))


_ROWS = 1000  # images copied at a time


def _level_counts(images: Images, rows: np.ndarray) -> np.ndarray:
    """Histogram of each channel over the levels 0 ... 255, float64 [C, 256]."""
    if isinstance(images, StreamedImages):
        return images.level_counts(rows)
    return levels_of(images[rows]).astype(np.float64)


class Fingerprint:
    """`Dataset.fingerprint`, computed incrementally from images in order."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self._digest = hashlib.sha256(_encoded("\n".join(class_names)))

    def begin_split(self, labels: np.ndarray, image_shape: tuple[int, ...]) -> None:
        self._digest.update(str((len(labels), *image_shape)).encode())
        self._digest.update(np.ascontiguousarray(labels).data)

    def add(self, images: np.ndarray) -> None:
        self._digest.update(np.ascontiguousarray(images).data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def fingerprint(class_names: tuple[str, ...], *splits: Split) -> str:
    found = Fingerprint(class_names)
    for split in splits:
        assert isinstance(split.images, np.ndarray)
        found.begin_split(split.labels, split.images.shape[1:])
        found.add(split.images)
    return found.hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
