"""Single images into arrays of one size and number of channels."""

import io
import math
import os
import shutil
import tempfile
import warnings
from errno import ENOENT, ENOSPC
from pathlib import Path

import numpy as np
from PIL import Image, features

from kerasnets.errors import (
    DatasetError,
    InstallationError,
    first_line,
    raise_unless_data,
)
from kerasnets.storage.folders import user_cache

# Others are refused: some of Pillow's readers start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
# A file of some kilobytes can declare any size; the largest image of ImageNet has 60.
LARGEST = 64  # megapixels (10^6)


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """uint8 [count, size, size, channels] to be filled: in memory or, where that is
    more than a quarter of what is free, in a file without a name in the user's cache
    folder.

    Raises:
        DatasetError: there is no room for that either.
    """
    shape = (count, size, size, channels)
    needed = count * size * size * channels
    if needed <= free_memory() / 4:
        return np.empty(shape, np.uint8)
    folder = user_cache()
    try:
        if folder is None:
            raise OSError(ENOENT, "there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        # Twice: the cache is a copy.
        if shutil.disk_usage(folder).free < 2 * needed:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(needed)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise DatasetError(
            f"{count:,} images of {size}x{size} pixels take {needed / 1e9:.1f} GB, and "
            f"twice as much on disk while they are decoded, for which {folder} has no "
            f"room ({error.strerror}); use a smaller image size, or name another "
            "folder with KERASNETS_CACHE."
        ) from error


def free_memory() -> float:
    """Bytes that can be taken without swapping; infinite where nothing tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(free.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    return math.inf


def decode(data: bytes, size: int, channels: int) -> tuple[np.ndarray, str]:
    """An image file as uint8 [size, size, channels], and its format.

    Raises:
        ValueError: it is damaged, cut short, animated, larger than `LARGEST`, or not of
            `FORMATS`. The message is one line.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is a warning at first; ours, below, is an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        with image:
            if image.width * image.height > LARGEST * 1e6:
                raise Image.DecompressionBombError
            if getattr(image, "is_animated", False):
                raise ValueError("it is animated, and which of its images is meant?")
            return as_array(image, size, channels), image.format or ""
    except Image.UnidentifiedImageError as error:
        if data[8:12] == b"WEBP" and not features.check("webp"):
            raise InstallationError("Pillow is installed without WebP.") from error
        raise ValueError(f"it is not an image of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {LARGEST} million pixels") from error
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(first_line(error)) from error


def as_array(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated, and
    transparency is left out.

    Raises:
        ValueError: the image does not say which of its values is white.
    """
    mode = "L" if channels == 1 else "RGB"
    image = _eight_bits(image)
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)


_WHITE = 2**16 - 1  # in 16 bits, which Pillow's modes "I;16", "I;16B" and "I" hold
# Premultiplied by their transparency, and a mode without another way to grey.
_FIRST = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB"}


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in a mode that Pillow converts to grey and to RGB by its scale: it
    would clip values above 255 instead."""
    if image.mode == "F":
        raise ValueError("its pixels are fractions, and nothing says which is white")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > _WHITE:
            raise ValueError(f"it has pixels that are not from 0 to {_WHITE}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    first = _FIRST.get(image.mode)
    return image.convert(first) if first else image
