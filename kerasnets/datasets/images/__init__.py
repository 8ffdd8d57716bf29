"""Single images into arrays of one size and number of channels.

`decode` takes the pixels of a prepared dataset as they are stored. `decode_file` takes
anybody's image file as a person sees it: upright, in sRGB, the first frame, on a
background. Both end in `as_array`.
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
    """A stored image as uint8 [size, size, channels], and its format.

    Args:
        resize, background: as `as_array` takes them.

    Raises:
        ValueError: it is damaged, cut short, animated, larger than `LARGEST`, or not of
            `FORMATS`. The message is one line.
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
    """An image file as a person sees it.

    Attributes:
        image: Pillow's, of mode "L" or "RGB", in 8 bits: upright, in sRGB, the first
            frame, on the background.
        form: the file's format, as Pillow calls it.
        mode: its stored pixels' mode, as Pillow calls it.
        frames: whether it has more than one image.
        size: its width and height, upright; `image` is smaller where it was reduced.
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
    """An image file as uint8 [size, size, channels].

    Args:
        resize, background: as `as_array` takes them.
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
    """An image file at its own size.

    Whole numbers of more than 8 bits are shares of their type's largest. Fractions from
    0 to 1 are shares of white; other numbers are spread over their own range.

    Args:
        background: one of `BACKGROUNDS`, which shows through transparency; None leaves
            transparency out.
        reduction: of a JPEG, given its upright width and height; none unless given.

    Raises:
        ValueError: it is damaged, cut short, larger than `LARGEST`, or not of
            `FORMATS`. The message is one line.
        InstallationError: Pillow is installed without its format.
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
    except Exception as error:  # what follows the first frame is damaged
        raise_unless_data(error)
        return True
