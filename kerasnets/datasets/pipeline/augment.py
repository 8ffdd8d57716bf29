"""Random changes to training images, a whole batch at a time.

Pure functions: the generator is passed in, the input is left as it is. What is drawn
and what is done with it are apart, so that an accelerator may do the same changes.
"""

from dataclasses import dataclass

import numpy as np

PADDING = 4  # pixels on each side, section IV.A of the paper


@dataclass(frozen=True)
class Changes:
    """What happens to each image of a batch of N.

    Attributes:
        offsets: int64 [N, 2], row and column in 0 ... 2 * padding at which the padded
            image is cut; None where no image is padded.
        flipped: bool [N], which images are then mirrored left to right; None for none.
        padding: zeros on each side, in pixels.
    """

    offsets: np.ndarray | None = None
    flipped: np.ndarray | None = None
    padding: int = PADDING


def draw(kind: str, count: int, rng: np.random.Generator) -> Changes:
    """The changes that one of `kerasnets.recipe.AUGMENTATIONS` makes to `count`
    images: offsets uniform, each image mirrored with probability 1/2."""
    if kind == "none":
        return Changes()
    offsets = None
    if kind == "crop-flip":
        offsets = rng.integers(0, 2 * PADDING + 1, size=(count, 2))
    return Changes(offsets, rng.random(count) < 0.5)


def change(images: np.ndarray, changes: Changes) -> np.ndarray:
    """The images [N, H, W, C], changed."""
    if changes.offsets is not None:
        images = crop_at(images, changes.offsets, changes.padding)
    return images if changes.flipped is None else flip_at(images, changes.flipped)


def flip_at(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The images, those where `chosen` (bool [N]) is true mirrored left to right."""
    flipped = images.copy()
    flipped[chosen] = images[chosen, :, ::-1]
    return flipped


def crop_at(images: np.ndarray, offsets: np.ndarray, padding: int) -> np.ndarray:
    """Each image padded with zeros on all sides, and its size cut out of that at
    `offsets` [N, 2] (row, column), each in 0 ... 2 * padding."""
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
