"""torch.compile in a benchmark: from nothing, and for all work at the same time.

A network takes torch.compile 20 to 90 seconds, most of them on one core. On CUDA all
that will be timed is therefore compiled first, each in a process of its own. What a
process has compiled stays with it and, in a folder of this benchmark alone, for others.
"""

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from kerasnets.benchmark.contenders import Contender
from kerasnets.benchmark.failures import Failure, failure
from kerasnets.benchmark.turns import Ready, turns
from kerasnets.benchmark.work import Work
from kerasnets.benchmark.worker import Worker
from kerasnets.errors import OutOfMemory

_CORES_EACH = 2
# So much of a device's memory must be free for compiled networks to keep theirs while
# others have their turns.
_FREE_SHARE = 0.5


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """Processes started in the block compile into an empty folder, which ends with it:
    no earlier compilation makes one look fast."""
    with tempfile.TemporaryDirectory(
        prefix="kerasnets-compile-", ignore_cleanup_errors=True
    ) as folder:
        triton = str(Path(folder) / "triton")
        with _variables(TORCHINDUCTOR_CACHE_DIR=folder, TRITON_CACHE_DIR=triton):
            yield


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Environment variables of processes that are started in the block."""
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
    """Processes whose contender is compiled, by its work. Use it in a `with` block,
    which ends them.

    Attributes:
        ready: what those told that are ready for their turns.
        failed: why others are not.
        together: how many were compiled at the same time.
    """

    def __init__(self) -> None:
        self.ready: dict[Work, Ready] = {}
        self.failed: dict[Work, Failure] = {}
        self.together = 1
        self._workers: dict[Work, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def take(self, work: Work) -> Worker | None:
        """The process that is ready to take turns at `work`, if it was kept; the
        caller ends it."""
        return self._workers.pop(work, None)

    def end(self) -> None:
        """End the processes that nobody took; what they compiled stays."""
        for worker in self._workers.values():
            worker.__exit__()
        self._workers.clear()

    def compile(
        self, contender: Contender, works: Sequence[Work], *, until: float
    ) -> None:
        """Compile for all of `works`, as many at a time as the cores bear.

        Args:
            until: of `time.perf_counter()`, when to give up.
        """
        cores = os.cpu_count() or 1
        self.together = max(1, min(len(works), cores // _CORES_EACH))
        threads = str(max(1, cores // self.together))
        for first in range(0, len(works), self.together):
            group = list(works[first : first + self.together])
            with _variables(TORCHINDUCTOR_COMPILE_THREADS=threads):
                self._workers.update((work, Worker(contender.name)) for work in group)
            for work in group:
                self._workers[work].begin(turns, contender, work)
            group = self._next(contender, group, until)  # the network is made
            self._next(contender, group, until)
        shares = [told.free_share for told in self.ready.values()]
        if any(share is not None and share < _FREE_SHARE for share in shares):
            self.end()

    def _next(
        self, contender: Contender, works: list[Work], until: float
    ) -> list[Work]:
        for work in works:
            self._workers[work].ask()
        going = []
        for work in works:
            patience = None if math.isinf(until) else until - time.perf_counter()
            try:
                told = self._workers[work].answer(patience)
            except OutOfMemory:
                self._workers.pop(work).__exit__()  # it may fit when alone
            except Exception as error:
                self.failed[work] = failure(contender, error)
                self._workers.pop(work).__exit__()
            else:
                going.append(work)
                if told is not None:
                    self.ready[work] = told
        return going
