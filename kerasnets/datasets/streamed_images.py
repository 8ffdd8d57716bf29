"""Images that are decoded from their files on demand.

Worker processes import this module, so it has no heavy imports.
"""

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasnets.datasets.images import ImageFile, as_array, read_file
from kerasnets.datasets.images.jpeg import Box, reduction_of, reduction_to
from kerasnets.datasets.images.memory import empty_on_disk
from kerasnets.errors import DatasetError, shown
from kerasnets.recipe.fields import REDUCED
from kerasnets.storage.folders import user_cache


@dataclass(frozen=True)
class Form:
    """How image files become arrays.

    Attributes:
        resize, background: see `kerasnets.datasets.images.as_array`.
        on_corrupt: one of `kerasnets.recipe.fields.ON_CORRUPT`.
        decode: one of `kerasnets.recipe.fields.DECODES`.
    """

    image_size: int
    channels: int
    resize: str
    background: str | None
    on_corrupt: str
    decode: str = "full"

    def __str__(self) -> str:
        """The part of a cache's key. For decode "full", the key of earlier versions,
        which had no other."""
        return repr(self).replace(", decode='full'", "")

    def read(self, data: bytes) -> ImageFile:
        """Read an image file at a size sufficient for `squared`.

        Raises:
            ValueError: as `kerasnets.datasets.images.read_file`.
        """
        reduction = None
        if self.decode == REDUCED:
            reduction = reduction_to(self.image_size, self.resize)
        return read_file(data, background=self.background, reduction=reduction)

    def cropped(self, data: bytes, box_in: Callable[[int, int], Box]) -> np.ndarray:
        """Read part of an image file, resized to uint8 [image_size, image_size,
        channels].

        Args:
            box_in: returns the part, given the image's height and width.

        Raises:
            ValueError: as `kerasnets.datasets.images.read_file`.
        """
        size = self.image_size
        reduction = None
        if self.decode == REDUCED:

            def reduction(width: int, height: int) -> float:
                return reduction_of(box_in(height, width), size)

        found = read_file(data, background=self.background, reduction=reduction)
        width, height = found.size
        top, left, bottom, right = box_in(height, width)
        across, down = found.image.width / width, found.image.height / height
        image = found.image.resize(
            (size, size),
            Image.Resampling.BILINEAR,
            (left * across, top * down, right * across, bottom * down),
        )
        mode = "L" if self.channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
        return np.asarray(image).reshape(size, size, self.channels)

    def squared(self, image: Image.Image) -> np.ndarray:
        """A decoded image as uint8 [image_size, image_size, channels]."""
        return as_array(
            image,
            self.image_size,
            self.channels,
            resize=self.resize,
            background=self.background,
        )


@dataclass(frozen=True)
class StreamedImages:
    """Behaves like a uint8 array [N, H, W, C] indexed along its first axis.

    Attributes:
        paths: the files' paths.
        states: int64 [N, 2], size in bytes and modification time (ns) of each file.
        form: how files become arrays.
        levels: integers [N, C, 256], histograms of each image, possibly memory-mapped;
            None in worker processes.
    """

    paths: Sequence[str]
    states: np.ndarray
    form: Form
    levels: np.ndarray | None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        size = self.form.image_size
        return (len(self.paths), size, size, self.form.channels)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: Any) -> np.ndarray:
        """The image of a row, or the images of several rows.

        Raises:
            DatasetError: a file has changed, or is gone.
        """
        if not isinstance(key, slice | Sequence | np.ndarray):
            return self._made(operator.index(key), self._squared)
        rows = np.arange(len(self))[key]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows.tolist()):
            images[place] = self._made(row, self._squared)
        return images

    def cropped(
        self, rows: np.ndarray, box: Callable[[int, int, int], Box]
    ) -> np.ndarray:
        """A part of each image of rows int64 [B], cut from its file and resized.

        Args:
            box: returns the part, given the index in `rows` and the image's height and
                width.

        Raises:
            DatasetError: a file has changed, or is gone.
        """
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows.tolist()):
            make = partial(self.form.cropped, box_in=partial(box, place))
            images[place] = self._made(row, make)
        return images

    def level_counts(self, rows: np.ndarray) -> np.ndarray:
        """Histogram of each channel over these images, float64 [C, 256]."""
        assert self.levels is not None
        return self.levels[rows].sum(axis=0, dtype=np.float64)

    def _squared(self, data: bytes) -> np.ndarray:
        return self.form.squared(self.form.read(data).image)

    def _made(self, row: int, make: Callable[[bytes], np.ndarray]) -> np.ndarray:
        path = self.paths[row]
        try:
            if state(path) != tuple(self.states[row].tolist()):
                raise ValueError("it has changed since training began")
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path is slow
                data = file.read()
            return make(data)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise DatasetError(f"{shown(path)} cannot be read: {shown(why)}.") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "levels": None}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def state(path: str | Path) -> tuple[int, int]:
    """Size in bytes and modification time (ns); zeros if the file is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path is slow
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def states(paths: Iterable[Path]) -> np.ndarray:
    """`state` of each file, int64 [N, 2]."""
    return np.array([state(path) for path in paths], np.int64).reshape(-1, 2)


def levels_of(images: np.ndarray) -> np.ndarray:
    """Histogram of each channel of uint8 [..., C], int64 [C, 256]."""
    flat = images.reshape(-1, images.shape[-1])
    return np.stack([np.bincount(channel, minlength=256) for channel in flat.T])


def empty_levels(count: int, size: int, channels: int) -> np.ndarray:
    """An uninitialized integer array [count, channels, 256] for histograms, on disk in
    an unnamed file in the user's cache folder.

    Raises:
        DatasetError: there is no room for it.
    """
    kind = np.dtype(np.uint16 if size * size < 2**16 else np.uint32)
    try:
        return empty_on_disk((count, channels, 256), kind)
    except OSError as error:
        raise DatasetError(
            f"to stream {count:,} images, {user_cache()} needs room for "
            f"{2 * count * channels * 256 * kind.itemsize / 1e6:,.0f} MB "
            f"({error.strerror}); name another folder with KERASNETS_CACHE."
        ) from error
