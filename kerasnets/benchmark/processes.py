"""The contenders' processes, and a comparison in which they take turns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

from kerasnets.benchmark.compiling import Compiled
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.failures import Failure, failure, patience_s
from kerasnets.benchmark.measure import Ready, Timing, interleave, turns
from kerasnets.benchmark.work import Work
from kerasnets.compute.worker import Worker
from kerasnets.errors import OutOfMemory

IN_ROUNDS = "in rounds"
ONE_BY_ONE = "one after another: together they do not fit the device's memory"


@dataclass
class Found:
    """The results of a comparison, by contender.

    Attributes:
        failed: why a contender could not take part.
        turns: order of the turns, `IN_ROUNDS` or `ONE_BY_ONE`.
    """

    turns: str = IN_ROUNDS
    timings: dict[str, Timing] = field(default_factory=dict)
    ready: dict[str, Ready] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)


class Processes:
    """One process per contender. A compiled contender has a new one for each work, as
    it compiles again anyway. Use this in a `with` block, which ends the processes.

    Args:
        compiled: results of compiling beforehand.
        rounds: number of counted turns per contender.
        until: `time.perf_counter()` at which the budget ends.
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        compiled: Compiled,
        *,
        rounds: int,
        until: float,
    ) -> None:
        self._contenders, self._compiled = contenders, compiled
        self._rounds, self._until = rounds, until
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._workers):
            self._end(name)

    def worker(self, contender: Contender) -> Worker:
        """The contender's process, started on demand."""
        if contender.name not in self._workers:
            self._workers[contender.name] = Worker(contender.name)
        return self._workers[contender.name]

    def compare(self, work: Work) -> Found:
        """Let the contenders take turns at `work`: in rounds, or one after another if
        together they exceed a CUDA device's memory.

        Raises:
            Exception: an error of a contender that concerns the others too.
        """
        try:
            return self._in_rounds(work)
        except OutOfMemory:
            if not work.on_cuda:
                raise
        return self._one_by_one(work)

    def _taking_part(self, work: Work) -> list[Contender]:
        return [one for one in self._contenders if one.takes_part(work)]

    def _in_rounds(self, work: Work) -> Found:
        found = Found()
        waiting = []
        for one in self._taking_part(work):
            if one.compiled and work in self._compiled.failed:
                found.failed[one.name] = self._compiled.failed[work]
            else:
                waiting.append(one)
        self._make_ready(waiting, work, found)
        self._time(work, found)
        for one in self._contenders:
            if one.compiled:
                self._end(one.name)
        return found

    def _one_by_one(self, work: Work) -> Found:
        # Processes are ended to free their memory.
        self.__exit__()
        whole = Found(turns=ONE_BY_ONE)
        for one in self._taking_part(work):
            found = Found()
            try:
                self._make_ready([one], work, found)
                self._time(work, found)
            except OutOfMemory as error:
                found.failed[one.name] = Failure(str(error))
            whole.timings.update(found.timings)
            whole.ready.update(found.ready)
            whole.failed.update(found.failed)
            self.__exit__()
        return whole

    def _make_ready(
        self, contenders: list[Contender], work: Work, found: Found
    ) -> None:
        """Build the networks, on CUDA in parallel, and run their first steps, which
        need the most memory, one after another, ours last."""
        # All of them free their memory before any builds a new network.
        for one in contenders:
            self.worker(one).begin(turns, one, work)
        at_once = work.on_cuda
        made = self._next(contenders[::-1], found, at_once=at_once)
        for one, ready in self._next(list(made), found, at_once=False).items():
            cold = self._compiled.ready.get(work) if one.compiled else None
            if cold:  # this time, the compiled code came from the cache
                ready = replace(
                    ready, start_s=cold.start_s, first_step_s=cold.first_step_s
                )
            found.ready[one.name] = ready

    def _next(
        self, contenders: list[Contender], found: Found, *, at_once: bool
    ) -> dict[Contender, Any]:
        """The next value of each contender, without those that fail."""
        values = {}
        if at_once:
            for one in contenders:
                self.worker(one).ask()
        for one in contenders:
            try:
                if not at_once:
                    self.worker(one).ask()
                patience = patience_s(one, self._until)
                values[one] = self.worker(one).answer(patience)
            except Exception as error:
                found.failed[one.name] = failure(one, error)
                self._end(one.name)
        return values

    def _time(self, work: Work, found: Found) -> None:
        turns = {
            one.name: partial(self._turn, one, found)
            for one in self._contenders
            if one.name in found.ready
        }
        if not turns:
            return
        timings = interleave(
            turns,
            images=work.batch_size,
            rounds=self._rounds,
            warm_up=0 if work.on_cuda else 1,
            until=self._until,
        )
        found.timings = {
            name: timing for name, timing in timings.items() if name not in found.failed
        }

    def _turn(self, contender: Contender, found: Found) -> float:
        """Seconds of a turn; NaN once the contender has failed."""
        if contender.name not in found.failed:
            try:
                return self.worker(contender).next()
            except Exception as error:
                found.failed[contender.name] = failure(contender, error)
                self._end(contender.name)
        return math.nan

    def _end(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker:
            worker.__exit__()
