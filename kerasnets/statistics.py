"""Statistics of accuracies: confidence intervals and paired tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm, t

CONFIDENCE = 0.95
CONFIDENT = f"{100 * CONFIDENCE:g} %"
INTERVAL = f"{CONFIDENT} interval"


@dataclass(frozen=True)
class Interval:
    """A `CONFIDENCE` interval; shares in [0, 1], differences in [-1, 1].

    `kind` is "Wilson" (sampling of the test images), "t" (over seeds) or "".
    """

    low: float
    high: float
    kind: ClassVar[str] = ""

    def overlaps(self, other: "Interval") -> bool:
        return self.low <= other.high and other.low <= self.high

    def percent(self) -> str:
        """Both ends in percent, such as "98.86 to 99.24"."""
        return f"{100 * self.low:.2f} to {100 * self.high:.2f}"


class WilsonInterval(Interval):
    kind = "Wilson"


class SeedInterval(Interval):
    kind = "t"


@dataclass(frozen=True)
class McNemar:
    """McNemar's test (1947) of two classifiers on the same images.

    Attributes:
        only_first, only_second: images that only one of them classifies correctly.
        difference: accuracy of the second minus accuracy of the first.
        interval: of the difference.
        p: exact two-sided p-value, treating discordant images as tosses of a fair coin;
            1 if there are none.
    """

    only_first: int
    only_second: int
    difference: float
    interval: Interval
    p: float


def wilson_interval(correct: int, images: int) -> WilsonInterval:
    """The interval of a proportion (Wilson 1927), without continuity correction.

    Unlike the normal approximation, it stays inside [0, 1] and is not empty if every
    image is correct.

    Args:
        correct: number of correct images, at least 0.
        images: number of images, at least 1.
    """
    found = binomtest(correct, images).proportion_ci(CONFIDENCE, method="wilson")
    return WilsonInterval(float(found.low), float(found.high))


def over_seeds(shares: Sequence[float], lowest: float = 0.0) -> SeedInterval:
    """The t-interval of the mean of at least two shares, clipped to [lowest, 1]; for
    differences of shares, `lowest` is -1.

    It reflects variation with the seed, not with the choice of test images.
    """
    n = len(shares)
    mean = math.fsum(shares) / n
    variance = math.fsum((share - mean) ** 2 for share in shares) / (n - 1)
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * math.sqrt(variance / n)
    return SeedInterval(max(lowest, mean - half), min(1.0, mean + half))


def accuracy_interval(shares: Sequence[float], images: int) -> Interval:
    """The Wilson interval of a single accuracy on `images` test images, or the
    t-interval of several accuracies."""
    if len(shares) == 1:
        return wilson_interval(round(shares[0] * images), images)
    return over_seeds(shares)


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> McNemar:
    """Test whether two classifiers have the same accuracy.

    The test is exact for any number of images. The interval is the adjusted Wald
    interval of Agresti and Min (2005), which adds half an image to each of the four
    counts.

    Args:
        first_correct, second_correct: bool [images], at least one image, in the same
            order.
    """
    images = len(first_correct)
    only_first = int((first_correct & ~second_correct).sum())
    only_second = int((second_correct & ~first_correct).sum())
    discordant = only_first + only_second
    p = binomtest(only_first, discordant).pvalue if discordant else 1.0
    return McNemar(
        only_first,
        only_second,
        (only_second - only_first) / images,
        _difference_interval(only_first, only_second, images),
        float(p),
    )


def _difference_interval(only_first: int, only_second: int, images: int) -> Interval:
    total = images + 2
    middle = (only_second - only_first) / total
    variance = ((only_first + only_second + 1) / total - middle**2) / total
    reach = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance)
    return Interval(float(max(-1, middle - reach)), float(min(1, middle + reach)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple testing (Holm 1979), in the order given.

    If every adjusted value up to 0.05 is called a difference, at most 5 % of such
    families of tests contain a false one.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, p_values[index] * (len(p_values) - place))
        adjusted[index] = min(1.0, highest)
    return adjusted


def largest_cells(matrix: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Row and column of the `most` cells that are farthest from 0, farthest first, then
    by row and column; cells of 0 are left out.

    Args:
        matrix: counts or their differences, int [rows, columns].
    """
    order = np.argsort(-np.abs(matrix[matrix != 0]), kind="stable")[:most]
    return [(row, column) for row, column in np.argwhere(matrix)[order].tolist()]


COLLAPSE_SHARE = 0.99


def collapsed_class(counts: ArrayLike) -> tuple[int, float] | None:
    """The class that receives more than `COLLAPSE_SHARE` of all predictions.

    Args:
        counts: number of predictions of each class, shape [classes], >= 0.

    Returns:
        The class's index and its share in (0.99, 1], or None if there is no such class.
    """
    predictions = np.asarray(counts)
    total = predictions.sum()
    if not total:
        return None
    index = int(predictions.argmax())
    share = float(predictions[index] / total)
    return (index, share) if share > COLLAPSE_SHARE else None
