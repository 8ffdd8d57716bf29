"""The time that one step of a network takes."""

import timeit
from collections.abc import Callable
from statistics import median

# Steps that allocate memory or compile. On CUDA, the fourth is captured as a graph.
_WARM_UP, _WARM_UP_ON_CUDA = 2, 5
_TIMED = 3


def step_seconds(step: Callable[[], object], device: str) -> float:
    """Median seconds of a step that waits for its result, after others to warm up."""
    warm_up = _WARM_UP_ON_CUDA if device.startswith("cuda") else _WARM_UP
    return median(timeit.repeat(step, number=1, repeat=warm_up + _TIMED)[warm_up:])
