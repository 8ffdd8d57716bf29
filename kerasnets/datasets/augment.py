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
    return flip_at(images, rng.random(len(images)) < 0.5)


def flip_at(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The images, those where `chosen` (bool [N]) is true mirrored left to right."""
    flipped = images.copy()
    flipped[chosen] = images[chosen, :, ::-1]
    return flipped


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
    """Crops of the padded images at `offsets` [N, 2] (row, column), each in
    0 ... 2 * padding."""
    count, height, width, channels = images.shape
    border = (padding, padding)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    # Rows of pixels as rows of bytes: whole rows are copied at once.
    windows = np.lib.stride_tricks.sliding_window_view(
        padded.reshape(count, height + 2 * padding, -1),
        (height, width * channels),
        axis=(1, 2),
    )
    rows, columns = offsets[:, 0], offsets[:, 1] * channels
    return windows[np.arange(count), rows, columns].reshape(images.shape)


def augment(images: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Apply one of `kerasnets.recipes.AUGMENTATIONS`."""
    if kind == "crop-flip":
        images = crop(images, rng)
    return images if kind == "none" else flip(images, rng)
