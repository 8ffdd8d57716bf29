"""Random erasing and cutout: boxes of normalized images are set to zero.

Zero is the mean of standardized images, and black in others.
"""

import math
from typing import Any

import numpy as np

_SCALE = (0.02, 0.33)  # of the image's area
_RATIO = (0.3, 3.3)  # height to width
_TRIES = 10  # afterwards nothing is erased


def draw_erasing(
    count: int,
    height: int,
    width: int,
    probability: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw boxes as torchvision's RandomErasing does, int64 [count, 4] (top, left,
    bottom, right); they are empty for images that are not erased."""
    erased = rng.random(count) < probability
    tries = count, _TRIES
    areas = height * width * rng.uniform(*_SCALE, tries)
    ratios = np.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1]), tries))
    heights = np.rint(np.sqrt(areas * ratios)).astype(np.int64)
    widths = np.rint(np.sqrt(areas / ratios)).astype(np.int64)
    fit = (heights < height) & (widths < width)
    each, first = np.arange(count), fit.argmax(axis=1)
    erased &= fit.any(axis=1)
    tall = np.where(erased, heights[each, first], 0)
    wide = np.where(erased, widths[each, first], 0)
    top = rng.integers(0, height - tall + 1)
    left = rng.integers(0, width - wide + 1)
    return np.stack([top, left, top + tall, left + wide], axis=1)


def draw_cutout(
    count: int, height: int, width: int, side: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a square of `side` pixels for each of `count` images, centred anywhere
    (DeVries and Taylor 2017): boxes as from `draw_erasing`, which may extend beyond the
    image."""
    top = rng.integers(height, size=count) - side // 2
    left = rng.integers(width, size=count) - side // 2
    return np.stack([top, left, top + side, left + side], axis=1)


def inside(boxes: Any, rows: Any, columns: Any) -> Any:
    """A mask [N, H, W] of the pixels inside the boxes [N, 4].

    Args:
        boxes: NumPy array or PyTorch tensor.
        rows, columns: 0 ... H - 1 and 0 ... W - 1, of the same type.
    """
    tall = (boxes[:, :1] <= rows) & (rows < boxes[:, 2:3])
    wide = (boxes[:, 1:2] <= columns) & (columns < boxes[:, 3:])
    return tall[:, :, None] & wide[:, None, :]
