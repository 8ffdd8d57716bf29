"""Images into arrays of one size and number of channels."""

import numpy as np
from PIL import Image

from kerasnets.datasets.images.appearance import FIRST_MODES, on_background
from kerasnets.recipe.fields import BACKGROUNDS

CROPPED = 0.875  # of the shorter side: torchvision's 224 of 256
_LONGEST = 16  # sides in the ratio of; of longer images the ends are cut off first
_WHITE = 2**16 - 1  # in 16 bits, which Pillow's modes "I;16", "I;16B" and "I" hold


def as_array(
    image: Image.Image,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = None,
) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated.

    Args:
        resize: "squash" to a square; "crop" scales the shorter side to size / 0.875 and
            takes the centre, as torchvision evaluates; "pad" scales the longer side to
            size.
        background: one of `BACKGROUNDS`: shows through transparency and around a padded
            image. None leaves transparency out, and pads with black.

    Raises:
        ValueError: the image does not say which of its values is white.
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
    # The longer side is cut off to whole pixels, as torchvision's Resize does.
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
    """The image in a mode that Pillow converts to grey and to RGB by its scale: it
    would clip values above 255 instead."""
    if image.mode == "F":
        raise ValueError("its pixels are fractions, and nothing says which is white")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > _WHITE:
            raise ValueError(f"it has pixels that are not from 0 to {_WHITE}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    first = FIRST_MODES.get(image.mode)
    return image.convert(first) if first else image
