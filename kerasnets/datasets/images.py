"""Single images into arrays of one size and number of channels."""

import numpy as np
from PIL import Image


def as_array(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated."""
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)
