"""Startup time and peak memory of a contender, in a fresh process."""

from dataclasses import dataclass

from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.failures import patience_s
from kerasnets.benchmark.measure import Ready, turns
from kerasnets.benchmark.work import Work
from kerasnets.compute.worker import Worker


@dataclass(frozen=True)
class Footprint:
    """Startup time and peak memory.

    Attributes:
        start_s: seconds from the start of imports to the end of the first training
            step, including compilation.
        imports_memory_mb: memory of the process after its imports, before there is a
            network, in megabytes (10^6 bytes); None if the platform does not report it.
        peak_memory_mb: peak memory of the process over the first training steps,
            likewise. On an accelerator both are its memory.
    """

    start_s: float
    imports_memory_mb: float | None
    peak_memory_mb: float | None

    @classmethod
    def of(cls, ready: Ready) -> "Footprint":
        return cls(
            round(ready.start_s, 2),
            _megabytes(ready.imports_bytes),
            _megabytes(ready.peak_bytes),
        )


def footprint(contender: Contender, work: Work, *, until: float) -> Footprint:
    """Measure a contender in a fresh process.

    Args:
        until: `time.perf_counter()` at which to give up a contender that compiles.

    Raises:
        TimeoutError: it was not compiled by then.
        Exception: whatever the contender raised.
    """
    with Worker(contender.name) as worker:
        worker.begin(turns, contender, work)
        for _ in range(2):  # the network is made; the first steps are done
            worker.ask()
            report = worker.answer(patience_s(contender, until))
        return Footprint.of(report)


def _megabytes(count: int | None) -> float | None:
    return None if count is None else round(count / 1e6, 1)
