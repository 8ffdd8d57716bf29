"""Conversion of images to square arrays."""

import numpy as np
from PIL import Image

from kerasnets.datasets.images.appearance import FIRST_MODES, on_background
from kerasnets.recipe.fields import BACKGROUNDS

CROPPED = 0.875  # share of the shorter side: torchvision's 224 / 256
_LONGEST = 16  # maximum ratio of the sides; the ends of longer images are cut off
_WHITE = 2**16 - 1  # for Pillow's modes "I;16", "I;16B" and "I"


def as_array(
    image: Image.Image,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = None,
) -> np.ndarray:
    """Convert an image to uint8 [size, size, channels], resized bilinearly as by
    torchvision's Resize for Pillow images. Color is converted to grey by luminance,
    grey to color by repetition.

    Args:
        resize: "squash" distorts to a square; "crop" scales the shorter side to
            size / 0.875 and takes the centre, as in torchvision's evaluation; "pad"
            scales the longer side to size.
        background: one of `BACKGROUNDS`, shown through transparency and around a padded
            image. None ignores transparency and pads with black.

    Raises:
        ValueError: it is unknown which of the image's values is white.
    """
    mode = "L" if channels == 1 else "RGB"
    image = on_background(_eight_bits(image), background)
    if image.mode != mode:
        image = image.convert(mode)
    if resize == "squash":
        image = _resized(image, size, size)
    elif resize == "crop":
        image = _cropped(image, size)
    else:
        image = _padded(image, size, BACKGROUNDS[background or "black"])
    return np.asarray(image).reshape(size, size, channels)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _cropped(image: Image.Image, size: int) -> Image.Image:
    longest = _LONGEST * min(image.size)
    if max(image.size) > longest:
        image = _centre(image, min(image.width, longest), min(image.height, longest))
    # Truncate the longer side to whole pixels, as torchvision's Resize does.
    shorter = round(size / CROPPED)
    width, height = (shorter * side // min(image.size) for side in image.size)
    return _centre(_resized(image, width, height), size, size)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _padded(image: Image.Image, size: int, value: int) -> Image.Image:
    longer = max(image.size)
    width, height = (max(1, round(side * size / longer)) for side in image.size)
    image = _resized(image, width, height)
    whole = Image.new(image.mode, (size, size), (value,) * len(image.getbands()))
    whole.paste(image, ((size - width) // 2, (size - height) // 2))
    return whole


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in 8 bits: from modes with larger values, Pillow's conversions to grey
    and RGB would clip at 255 instead of scaling."""
    if image.mode == "F":
        raise ValueError("its pixels are fractions, and nothing says which is white")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > _WHITE:
            raise ValueError(f"it has pixels that are not from 0 to {_WHITE}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    first = FIRST_MODES.get(image.mode)
    return image.convert(first) if first else image
