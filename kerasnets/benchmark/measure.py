"""Interleaved timing: A B A B, so that whatever else runs here slows all alike."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

_BOOTSTRAP = 2000
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender's calls, one a round.

    Attributes:
        seconds: float64 [rounds].
        images: in one call.
    """

    seconds: np.ndarray
    images: int

    @property
    def step_s(self) -> float:
        """The median call."""
        return float(np.median(self.seconds))

    @property
    def images_per_s(self) -> float:
        """From the median call."""
        return self.images / self.step_s

    @property
    def spread(self) -> float:
        """Interquartile range of the seconds, as a share of their median."""
        low, middle, high = np.percentile(self.seconds, (25, 50, 75))
        return float((high - low) / middle)


def interleave(
    turns: Mapping[str, Callable[[], float]],
    *,
    images: int,
    rounds: int,
    warm_up: int,
    until: float = math.inf,
) -> dict[str, Timing]:
    """Give each contender a turn a round, `rounds` times, after `warm_up` rounds that
    do not count. The order turns from round to round.

    Args:
        turns: functions that return the seconds that a call took.
        images: in one call.
        until: of `time.perf_counter()`: no other round is begun after it, but for the
            first that counts.
    """
    names = list(turns)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(-warm_up, rounds):
        if round_ > 0 and time.perf_counter() > until:
            break
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            # OpenMP's threads spin for a while after their work: those of the
            # contender before would take the cores from this one.
            time.sleep(_PAUSE_S)
            took = turns[name]()
            if round_ >= 0:
                seconds[name].append(took)
    return {name: Timing(np.array(seconds[name]), images) for name in names}


def ratio(ours: Timing, theirs: Timing) -> tuple[float, float, float]:
    """How many times faster ours is: the median over rounds of theirs / ours, and its
    95 % bootstrap interval (rounds resampled, as pairs)."""
    ratios = theirs.seconds / ours.seconds
    rng = np.random.default_rng(0)
    samples = rng.choice(ratios, size=(_BOOTSTRAP, len(ratios)))
    low, high = np.percentile(np.median(samples, axis=1), (2.5, 97.5))
    return float(np.median(ratios)), float(low), float(high)
