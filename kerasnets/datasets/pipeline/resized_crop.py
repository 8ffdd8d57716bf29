"""torchvision's RandomResizedCrop: a part of the image, resized to the full size."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

SCALE = (0.08, 1.0)  # of the image's area
RATIO = (3 / 4, 4 / 3)  # width to height
_TRIES = 10  # afterwards the largest central part with an allowed ratio


def draw_boxes(
    count: int, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw parts of `count` images, int64 [count, 4]: top, left, bottom, right. Areas
    are uniform, ratios log-uniform, positions uniform."""
    tries = count, _TRIES
    areas = height * width * rng.uniform(*SCALE, tries)
    ratios = np.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), tries))
    widths = np.rint(np.sqrt(areas * ratios)).astype(np.int64)
    heights = np.rint(np.sqrt(areas / ratios)).astype(np.int64)
    fit = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    each, first = np.arange(count), fit.argmax(axis=1)
    found = fit.any(axis=1)
    middle = _largest(height, width)
    tall = np.where(found, heights[each, first], middle[0])
    wide = np.where(found, widths[each, first], middle[1])
    top = rng.integers(0, height - tall + 1)
    left = rng.integers(0, width - wide + 1)
    top = np.where(found, top, (height - tall) // 2)
    left = np.where(found, left, (width - wide) // 2)
    return np.stack([top, left, top + tall, left + wide], axis=1)


@dataclass(frozen=True)
class Crops:
    """Random parameters of crops, for images whose sizes are unknown until their files
    are opened.

    Attributes:
        areas: shares of the image's area, float64 [N, tries].
        ratios: width to height, float64 [N, tries].
        places: vertical and horizontal position, float64 [N, 2], in [0, 1).
    """

    areas: np.ndarray
    ratios: np.ndarray
    places: np.ndarray

    def box(self, index: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of image `index`'s part, given its size."""
        # Plain numbers: NumPy takes ten times as long for so few.
        areas, ratios = self.areas[index].tolist(), self.ratios[index].tolist()
        top, left = self.places[index].tolist()
        for share, ratio in zip(areas, ratios, strict=True):
            area = height * width * share
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                top, left = (
                    int(top * (height - tall + 1)),
                    int(left * (width - wide + 1)),
                )
                return top, left, top + tall, left + wide
        tall, wide = _largest(height, width)
        top, left = (height - tall) // 2, (width - wide) // 2
        return top, left, top + tall, left + wide


def draw_crops(count: int, rng: np.random.Generator) -> Crops:
    """As `draw_boxes`, for images of unknown size."""
    tries = count, _TRIES
    areas = rng.uniform(*SCALE, tries)
    ratios = np.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), tries))
    return Crops(areas, ratios, rng.random((count, 2)))


def _largest(height: int, width: int) -> tuple[int, int]:
    narrowest, widest = RATIO
    if width < narrowest * height:
        return round(width / narrowest), width
    if width > widest * height:
        return height, round(height * widest)
    return height, width


def crop_and_resize(images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Resize the part `boxes` [N, 4] of each image [N, H, W, C] to [H, W], with
    Pillow's antialiased bilinear filter."""
    _count, height, width, channels = images.shape
    resized = np.empty_like(images)
    for index, (top, left, bottom, right) in enumerate(boxes.tolist()):
        part = images[index, top:bottom, left:right]
        image = Image.fromarray(part if channels > 1 else part[..., 0])
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        resized[index] = np.asarray(image).reshape(height, width, channels)
    return resized
