"""Random changes to training images, a whole batch at a time.

Pure functions: the generator is passed in, the input is left as it is.
"""

import numpy as np

PADDING = 4  # pixels on each side, section IV.A of the paper


def flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each image left to right with probability 1/2.

    Args:
        images: [N, H, W, C].
    """
    chosen = rng.random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


def crop(
    images: np.ndarray, rng: np.random.Generator, padding: int = PADDING
) -> np.ndarray:
    """Pad each image with zeros on all sides and cut its size out at random.

    Args:
        images: [N, H, W, C].
        padding: pixels; offsets are uniform in 0 ... 2 * padding.
    """
    offsets = rng.integers(0, 2 * padding + 1, size=(len(images), 2))
    return crop_at(images, offsets, padding)


def crop_at(images: np.ndarray, offsets: np.ndarray, padding: int) -> np.ndarray:
    """Crops of the padded images at `offsets` [N, 2] (row, column)."""
    _, height, width, _ = images.shape
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (height, width), axis=(1, 2)
    )
    chosen = windows[np.arange(len(images)), offsets[:, 0], offsets[:, 1]]
    return np.ascontiguousarray(chosen.transpose(0, 2, 3, 1))


def augment(images: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Apply one of `kerasnets.recipes.AUGMENTATIONS`."""
    if kind == "crop-flip":
        images = crop(images, rng)
    return images if kind == "none" else flip(images, rng)
