"""Compilation with torch.compile in a benchmark, from an empty cache and in parallel.

Compiling one network takes 20 to 90 seconds, mostly on one core. On CUDA, everything is
therefore compiled beforehand in parallel, in separate processes, as cuDNN's benchmarks
of its algorithms are unreliable there. Later processes find the compiled code in a
folder of this benchmark.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.failures import Failure, failure, patience_s
from kerasnets.benchmark.measure import Ready, turns
from kerasnets.benchmark.work import Work
from kerasnets.compute.threads import allowed_cores
from kerasnets.compute.worker import Worker
from kerasnets.errors import OutOfMemory

_CORES_EACH = 2


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """Make processes started in the block compile into an empty temporary folder, so
    that earlier compilations do not shorten theirs."""
    with tempfile.TemporaryDirectory(
        prefix="kerasnets-compile-", ignore_cleanup_errors=True
    ) as folder:
        triton = str(Path(folder) / "triton")
        with _variables(TORCHINDUCTOR_CACHE_DIR=folder, TRITON_CACHE_DIR=triton):
            yield


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Set environment variables for processes started in the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Compiled:
    """Results of compiling beforehand, by work.

    Attributes:
        ready: the processes' reports.
        failed: reasons of failures.
        together: number of parallel compilations.
    """

    def __init__(self) -> None:
        self.ready: dict[Work, Ready] = {}
        self.failed: dict[Work, Failure] = {}
        self.together = 1

    def compile(
        self, contender: Contender, works: Sequence[Work], *, until: float
    ) -> None:
        """Compile for all of `works`, in parallel as the number of cores allows.

        Args:
            until: `time.perf_counter()` at which to give up.
        """
        cores = allowed_cores()
        self.together = max(1, min(len(works), cores // _CORES_EACH))
        threads = str(max(1, cores // self.together))
        for first in range(0, len(works), self.together):
            with contextlib.ExitStack() as stack:
                workers: dict[Work, Worker] = {}
                with _variables(TORCHINDUCTOR_COMPILE_THREADS=threads):
                    for work in works[first : first + self.together]:
                        worker = stack.enter_context(Worker(contender.name))
                        workers[work] = worker
                for work, worker in workers.items():
                    worker.begin(turns, contender, work)
                workers = self._next(contender, workers, until)  # the network is made
                self._next(contender, workers, until)

    def _next(
        self, contender: Contender, workers: dict[Work, Worker], until: float
    ) -> dict[Work, Worker]:
        """Request each worker's next report; return the workers that can continue."""
        for worker in workers.values():
            worker.ask()
        going = {}
        for work, worker in workers.items():
            try:
                report = worker.answer(patience_s(contender, until))
            except OutOfMemory:
                continue  # it may fit on its own
            except Exception as error:
                self.failed[work] = failure(contender, error)
                continue
            going[work] = worker
            if report is not None:
                self.ready[work] = report
        return going
