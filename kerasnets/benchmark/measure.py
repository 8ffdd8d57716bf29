"""Interleaved timing (A B A B), so that other load slows all contenders equally."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.contender import Contender, Runner
from kerasnets.benchmark.work import Work
from kerasnets.compute import runtime
from kerasnets.compute.memory.use import peak_memory_bytes

_BOOTSTRAP = 2000
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender's calls, one per round.

    Attributes:
        seconds: float64 [rounds].
        images: number of images in a call.
    """

    seconds: np.ndarray
    images: int

    @property
    def step_s(self) -> float:
        """Seconds of the median call."""
        return float(np.median(self.seconds))

    @property
    def images_per_s(self) -> float:
        """Images per second in the median call."""
        return self.images / self.step_s

    @property
    def spread(self) -> float:
        """Interquartile range of the seconds relative to their median."""
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
    """Give each contender one turn in each of `rounds` rounds, after `warm_up` rounds
    that are not counted. The order rotates from round to round.

    Args:
        turns: functions that return the seconds of a call, by contender.
        images: number of images in a call.
        until: `time.perf_counter()` after which no round begins, except the first
            counted one.
    """
    names = list(turns)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(-warm_up, rounds):
        if round_ > 0 and time.perf_counter() > until:
            break
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            # OpenMP threads spin for a while after their work, which would occupy the
            # next contender's cores.
            time.sleep(_PAUSE_S)
            took = turns[name]()
            if round_ >= 0:
                seconds[name].append(took)
    return {name: Timing(np.array(seconds[name]), images) for name in names}


def ratio(ours: Timing, theirs: Timing) -> tuple[float, float, float]:
    """Speedup of ours over theirs: the median of theirs / ours over the rounds that
    both have, and its bootstrap interval of `kerasnets.statistics.CONFIDENCE` (rounds
    resampled in pairs). One after another, the budget may end one earlier."""
    from kerasnets.statistics import CONFIDENCE  # scipy is no part of what is measured

    rounds = min(len(ours.seconds), len(theirs.seconds))
    ratios = theirs.seconds[:rounds] / ours.seconds[:rounds]
    rng = np.random.default_rng(0)
    samples = rng.choice(ratios, size=(_BOOTSTRAP, len(ratios)))
    edges = 50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)
    low, high = np.percentile(np.median(samples, axis=1), edges)
    return float(np.median(ratios)), float(low), float(high)


# Seconds of a turn, and the uncounted steps before it, which on an accelerator refill
# its queue and its memory.
_TURN_S = {"cpu": 0.5, "cuda": 0.3}
_WARM_UP = {"cpu": 1, "cuda": 5}


@dataclass(frozen=True)
class Ready:
    """The report of a contender that is ready to take turns.

    Attributes:
        start_s: seconds from the start of its imports to the end of its first step.
        first_step_s: seconds of the first step, including compilation.
        step_s: seconds of a later step.
        imports_bytes, peak_bytes: peak memory after the imports, and after the first
            steps, of the accelerator if one is used; None if the platform does not
            report it.
        counts: result of `Runner.counts`.
    """

    start_s: float
    first_step_s: float
    step_s: float
    imports_bytes: int | None
    peak_bytes: int | None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def compile_s(self) -> float:
        """Seconds of the first step in excess of a normal step."""
        return self.first_step_s - self.step_s


def turns(contender: Contender, work: Work) -> Iterator[Ready | float | None]:
    """Create a contender, and give it a turn whenever the next value is requested.

    Yields None once its network is built; then `Ready`, after the steps that compile
    code and select algorithms; then, for each turn, the mean seconds of its steps. A
    turn takes 0.5 seconds, on CUDA 0.3, and begins with uncounted steps.
    """
    began = time.perf_counter()
    kind = "cpu" if work.device == "cpu" else "cuda"
    turn_s, warm_up = _TURN_S[kind], _WARM_UP[kind]
    _release(work)
    with choice.surroundings(contender, work):
        choice.imports(contender)
        imports_bytes = peak_memory_bytes(runtime.backend(), work.device)
        runner = choice.make(contender, work)
        making_s = time.perf_counter() - began
        yield None
        began = time.perf_counter()
        clock = Clock(work.device)
        runner.run(1, clock)
        start_s = making_s + clock.ended - began
        steps, step_s = _calibrated(runner, work, turn_s, warm_up)
        peak = peak_memory_bytes(runtime.backend(), work.device)
        _release(work)
        yield Ready(
            start_s,
            clock.seconds,
            step_s,
            imports_bytes,
            peak,
            runner.counts(),
        )
        while True:
            clock = Clock(work.device)
            runner.run(steps, clock, warm_up=warm_up)
            _release(work)
            yield clock.seconds / steps
            if clock.seconds < turn_s / 2:  # other load disturbed the calibration
                steps = math.ceil(steps * turn_s / clock.seconds)


def _calibrated(
    runner: Runner, work: Work, turn_s: float, warm_up: int
) -> tuple[int, float]:
    """The number of steps in a turn, and the seconds of one."""
    steps = 1
    while True:
        clock = Clock(work.device)
        # The second and third step of a compiled network capture its CUDA graph.
        runner.run(steps, clock, warm_up=warm_up)
        step_s = clock.seconds / steps
        if clock.seconds >= turn_s / 4:
            return max(1, math.ceil(turn_s / step_s)), step_s
        steps *= 4


def _release(work: Work) -> None:
    """Return unused memory to the device for the other contenders. CUDA graphs keep
    theirs."""
    if work.on_cuda and "torch" in sys.modules:
        import torch

        torch.cuda.empty_cache()
