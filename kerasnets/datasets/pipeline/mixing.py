"""MixUp and CutMix: each image of a batch is mixed with the one before it, and so is
its label."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Mix:
    """How the images of one batch are mixed.

    Attributes:
        share: of an image's own label, in [0, 1]; the rest is its partner's.
        classes: of the labels.
        box: top, left, bottom, right of what comes from the partner (CutMix); None
            where every pixel is a weighted mean (MixUp).
    """

    share: float
    classes: int
    box: tuple[int, int, int, int] | None = None


def draw_mix(
    height: int,
    width: int,
    mixup: float,
    cutmix: float,
    classes: int,
    rng: np.random.Generator,
) -> Mix:
    """What torchvision's MixUp or CutMix draws for a batch; where both have an alpha
    above zero, a batch undergoes either with probability 1/2.

    Args:
        mixup, cutmix: alpha of Beta(alpha, alpha), of which the share is drawn.
    """
    cut = rng.random() < 0.5 if mixup and cutmix else bool(cutmix)
    alpha = cutmix if cut else mixup
    # float32: the same value on every device.
    share = float(np.float32(rng.beta(alpha, alpha)))
    if not cut:
        return Mix(share, classes)
    row, column = int(rng.integers(height)), int(rng.integers(width))
    half = 0.5 * (1 - share) ** 0.5
    tall, wide = int(half * height), int(half * width)
    box = (
        max(row - tall, 0),
        max(column - wide, 0),
        min(row + tall, height),
        min(column + wide, width),
    )
    area = (box[2] - box[0]) * (box[3] - box[1])
    return Mix(1 - area / (height * width), classes, box)


def mixed_images(images: Any, mix: Mix) -> Any:
    """The images float32 [N, H, W, C], an array of NumPy or a tensor of PyTorch."""
    partners = images[_partners(len(images))]
    if mix.box is None:
        images *= mix.share
        partners *= 1 - mix.share
        images += partners
    else:
        top, left, bottom, right = mix.box
        images[:, top:bottom, left:right] = partners[:, top:bottom, left:right]
    return images


def mixed_labels(labels: np.ndarray, mix: Mix) -> np.ndarray:
    """Shares of the classes, float32 [N, classes], of int64 [N] labels."""
    count = len(labels)
    shares = np.zeros((count, mix.classes), np.float32)
    each = np.arange(count)
    shares[each, labels] = mix.share
    # Added: the partner may be of the same class.
    shares[each, labels[_partners(count)]] += np.float32(1 - mix.share)
    return shares


def _partners(count: int) -> list[int]:
    return [index - 1 for index in range(count)]
