"""Conversion of single images to arrays of a given size and number of channels.

`decode` uses the stored pixels of a prepared dataset. `decode_file` reads any image
file as a viewer displays it: upright, in sRGB, the first frame, on a background. Both
end in `as_array`.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasnets.catalog.image_headers import FORMATS, LARGEST, opened, reason
from kerasnets.datasets.images.appearance import as_seen, lies_on_its_side
from kerasnets.datasets.images.jpeg import (
    Reduction,
    fast_pixels,
    reduce,
    reduction_to,
)
from kerasnets.datasets.images.memory import empty_images
from kerasnets.datasets.images.squares import as_array
from kerasnets.errors import raise_unless_data
from kerasnets.recipe.fields import REDUCED

__all__ = [
    "FORMATS",
    "LARGEST",
    "ImageFile",
    "as_array",
    "as_seen",
    "decode",
    "decode_file",
    "empty_images",
    "read_file",
]


def decode(
    data: bytes,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = None,
) -> tuple[np.ndarray, str]:
    """Decode a stored image to uint8 [size, size, channels], and its format.

    Args:
        resize, background: see `as_array`.

    Raises:
        ValueError: the image is damaged, truncated, animated, larger than `LARGEST`, or
            not in `FORMATS`. The message is one line.
    """
    try:
        with opened(data) as image:
            if getattr(image, "is_animated", False):
                raise ValueError(
                    "it is animated, so it is not clear which of its images to use"
                )
            pixels = as_array(
                image, size, channels, resize=resize, background=background
            )
            return pixels, image.format or ""
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


@dataclass(frozen=True)
class ImageFile:
    """An image file as a viewer displays it.

    Attributes:
        image: Pillow image in mode "L" or "RGB", 8 bits: upright, in sRGB, the first
            frame, on the background.
        form: Pillow's name of the file's format.
        mode: Pillow's mode of the stored pixels.
        frames: whether the file has more than one image.
        size: width and height, upright; `image` is smaller if its decoding was reduced.
    """

    image: Image.Image
    form: str
    mode: str
    frames: bool
    size: tuple[int, int]


def decode_file(
    data: bytes,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = "white",
    decode: str = "full",
) -> np.ndarray:
    """Decode an image file to uint8 [size, size, channels].

    Args:
        resize, background: see `as_array`.
        decode: one of `kerasnets.recipe.fields.DECODES`.

    Raises:
        ValueError: as `read_file`.
    """
    reduction = reduction_to(size, resize) if decode == REDUCED else None
    image = read_file(data, background=background, reduction=reduction).image
    return as_array(image, size, channels, resize=resize, background=background)


def read_file(
    data: bytes,
    *,
    background: str | None = "white",
    reduction: Reduction | None = None,
) -> ImageFile:
    """Read an image file at its own size.

    Integers of more than 8 bits are scaled by their type's maximum. Floats from 0 to 1
    are scaled by white; other values are scaled by their own range.

    Args:
        background: one of `BACKGROUNDS`, shown through transparency; None ignores
            transparency.
        reduction: maximum factor by which a JPEG may be decoded smaller, given its
            upright width and height.

    Raises:
        ValueError: the image is damaged, truncated, larger than `LARGEST`, or not in
            `FORMATS`. The message is one line.
        InstallationError: Pillow was built without support for its format.
    """
    try:
        with opened(data) as image:
            form, mode, frames = image.format or "", image.mode, _has_frames(image)
            if form not in ("JPEG", "MPO"):
                seen = as_seen(image, background)
                return ImageFile(seen, form, mode, frames, seen.size)
            size = image.size[::-1] if lies_on_its_side(image) else image.size
            reduced = reduction is not None and reduce(image, reduction(*size))
            plain = form == "JPEG" and mode in ("RGB", "L") and not reduced
            seen = as_seen(
                image, background, fast_pixels(data, mode) if plain else None
            )
            return ImageFile(seen, form, mode, frames, size)
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


def _has_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception as error:  # the file is damaged after its first frame
        raise_unless_data(error)
        return True
