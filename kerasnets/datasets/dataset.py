"""What a dataset is once it is in memory (or mapped into it)."""

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
        images: uint8 [N, H, W, C], perhaps memory-mapped, or decoded when asked for.
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
        mean, std: float64 [C], of the train split's pixels in [0, 1] units, those of
            `drawn` left out.
        fingerprint: SHA-256 of the class names, labels and pixels.
        note: what a reader of results should know of the images, or "".
        drawn: int64 [n], the rows of the train split that are tested on, in order,
            where there is no test split; `test` is the train split then.
        held_out: int64 [n], the rows of the train split that are validated on, in
            order, where the dataset has validation images of its own.
        groups: int64 [N], of the train split's rows: those with the same number hold
            the same image, and no split may part them. None where each is another.
        files: what is recorded of image files, None of other datasets: "place",
            "count" (images), "ignored" (other files), "unreadable" and "repeated" (left
            out) and "sha256" (of names, classes, splits and content).

    A letter in names and note that cannot be written, such as a byte of a folder's name
    that is not UTF-8, is replaced by its number.
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
    """Mean and standard deviation a channel, float64 [C], of uint8 [N, H, W, C]
    images in [0, 1] units; exact sums of whole numbers.

    Args:
        rows: int64 [n], the images that count; all unless given.
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


_ROWS = 1000  # images that are copied at once


def _level_counts(images: Images, rows: np.ndarray) -> np.ndarray:
    """How often each channel has each of the levels 0 ... 255, float64 [C, 256]."""
    if isinstance(images, StreamedImages):
        return images.level_counts(rows)
    return levels_of(images[rows]).astype(np.float64)


class Fingerprint:
    """As `Dataset` has it, of splits whose images come one after the other."""

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
