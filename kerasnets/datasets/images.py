"""Single images into arrays of one size and number of channels."""

import os

import numpy as np
from PIL import Image

from kerasnets.errors import DatasetError


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """uint8 [count, size, size, channels] to be filled.

    Raises:
        DatasetError: it would take more than half of the machine's memory.
    """
    needed = count * size * size * channels
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > memory / 2:
            raise DatasetError(
                f"{count:,} images of {size}x{size} pixels take {needed / 1e9:.0f} GB, "
                f"too much for this machine's {memory / 1e9:.0f} GB; use a smaller "
                "image size."
            )
    return np.empty((count, size, size, channels), np.uint8)


def as_array(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated."""
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)
