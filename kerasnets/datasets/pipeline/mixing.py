"""MixUp and CutMix: each image and label of a batch is mixed with the previous one."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Mix:
    """How the images of one batch are mixed.

    Attributes:
        share: share of an image's own label, in [0, 1]; the rest is its partner's.
        classes: number of classes.
        box: top, left, bottom, right of the part taken from the partner (CutMix); None
            if every pixel is a weighted mean (MixUp).
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
    """Draw the parameters of torchvision's MixUp or CutMix for a batch. If both alphas
    are positive, each is chosen with probability 1/2.

    Args:
        mixup, cutmix: alpha of Beta(alpha, alpha), the distribution of the share.
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
    """The mixed images, float32 [N, H, W, C], a NumPy array or PyTorch tensor. The
    input is modified."""
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
    """Class shares, float32 [N, classes], from int64 [N] labels."""
    count = len(labels)
    shares = np.zeros((count, mix.classes), np.float32)
    each = np.arange(count)
    shares[each, labels] = mix.share
    # Added, as the partner may have the same class.
    shares[each, labels[_partners(count)]] += np.float32(1 - mix.share)
    return shares


def _partners(count: int) -> list[int]:
    return [index - 1 for index in range(count)]
