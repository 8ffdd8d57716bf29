"""Worker processes that make the bytes of batches ahead of the network."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, cycle
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from kerasnets.compute.worker import Worker, shared_memory
from kerasnets.errors import ProcessEnded

# A batch takes seconds at most, even on a busy machine.
HUNG_AFTER_S = 300.0

Make = Callable[[int, int], np.ndarray]


class Workers:
    """Batches made by several processes in turn. The processes end with this object.

    Each process makes one batch while its previous one waits here or is in use. A
    thread asks for the next, as a process cannot continue before. At most two batches
    per process are in memory, which both share if a batch fits into `room`; a pipe
    carries larger ones.

    Why not Grain: it needs portpicker without installing it, its absl flags clash with
    those of other packages, and it hangs when a process is stopped. Why not PyTorch's
    DataLoader: it imports PyTorch, some 200 MB, into every process.

    Args:
        make: makes batch `index` of `epoch`, deterministically; picklable.
        batches: number of batches in an epoch.
        count: number of processes, at least 1.
        room: bytes of the largest batch to share memory for.
        hung_after_s: maximum seconds for a batch; `HUNG_AFTER_S` unless given.
    """

    def __init__(
        self,
        make: Make,
        batches: int,
        count: int,
        *,
        room: int = 0,
        hung_after_s: float | None = None,
    ) -> None:
        self._make, self._batches, self._room = make, batches, room
        self._hung_after_s = HUNG_AFTER_S if hung_after_s is None else hung_after_s
        self._names = [f"worker {number + 1} of {count}" for number in range(count)]
        self._workers: list[Worker] = []  # started with the first batch
        self._asked: SimpleQueue[Worker | None] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._receiver = Thread(
            target=_receive, args=(self._asked, self._answers), daemon=True
        )
        self._end = weakref.finalize(
            self, _end, self._workers, self._asked, self._receiver
        )
        self._coming = 0  # outstanding answers of the thread
        self._next = -1  # batches are numbered through all epochs

    def __call__(self, epoch: int, index: int) -> np.ndarray:
        """Batch `index` of `epoch`, valid until the next call; sequential access is
        fastest.

        Raises:
            ProcessEnded: a process was killed or hangs.
            Exception: whatever `make` raises.
        """
        try:
            if self._next != epoch * self._batches + index:
                self._begin(epoch * self._batches + index)
            else:
                self._ask()  # the batch before is no longer used
            batch = self._answer()
        except TimeoutError as error:
            self._end()
            raise ProcessEnded(f"{error} It was ended.") from None
        except BaseException:
            self._end()
            raise
        self._next += 1
        return batch

    def _begin(self, first: int) -> None:
        if not self._workers:
            room = _PLACES * self._room
            self._workers += (Worker(name, room) for name in self._names)
            self._receiver.start()
        self.drop()
        self._turn = 0
        step = len(self._workers)
        for number, worker in enumerate(self._workers):
            worker.begin(
                _made, self._make, first + number, self._batches, step, self._room
            )
            worker.ask()
        for _ in self._workers:
            self._ask()
        self._next = first

    def drop(self) -> None:
        """Wait for the batches in progress and discard them, so that processes idle.

        Raises: as a call.
        """
        while self._coming:
            self._answer()
        if self._next >= 0:
            for worker in self._workers:
                worker.answer(self._hung_after_s)
        self._next = -1

    def _ask(self) -> None:
        """Make the thread receive one more batch."""
        self._asked.put(self._workers[(self._turn + self._coming) % len(self._workers)])
        self._coming += 1

    def _answer(self) -> np.ndarray:
        """The next batch."""
        try:
            # With a timeout, as a process may be stopped in the middle of a batch.
            batch, error = self._answers.get(timeout=self._hung_after_s)
        except Empty:
            raise ProcessEnded(
                f"{self._names[self._turn]} took longer than {self._hung_after_s:.0f} "
                "s. It was ended."
            ) from None
        self._coming -= 1
        self._turn = (self._turn + 1) % len(self._workers)
        if error is not None:
            raise error
        return batch


def _receive(asked: SimpleQueue[Worker | None], answers: SimpleQueue[Any]) -> None:
    """Put the answer, or the error, of each worker in `asked` into `answers`."""
    while (worker := asked.get()) is not None:
        try:
            batch = worker.answer()
            worker.ask()
            if isinstance(batch, _Shared):
                batch = batch.of(worker.memory)
            answers.put((batch, None))
        except Exception as error:
            answers.put((None, error))
        batch = worker = None


_PLACES = 2  # of a process's batches in the memory that it shares


@dataclass(frozen=True)
class _Shared:
    """An array in shared memory, from a byte on."""

    first: int
    shape: tuple[int, ...]
    kind: np.dtype

    def of(self, memory: Any) -> np.ndarray:
        return np.ndarray(self.shape, self.kind, memory, self.first)


def _made(
    make: Make, first: int, batches: int, step: int, room: int
) -> Iterator[np.ndarray | _Shared]:
    memory = shared_memory()
    for number, place in zip(count(first, step), cycle(range(_PLACES)), strict=False):
        yield _put(make(*divmod(number, batches)), memory, place * room, room)


def _put(batch: np.ndarray, memory: Any, first: int, room: int) -> np.ndarray | _Shared:
    if memory is None or batch.nbytes > room:
        return batch
    shared = _Shared(first, batch.shape, batch.dtype)
    shared.of(memory)[...] = batch
    return shared


def _end(
    workers: list[Worker], asked: SimpleQueue[Worker | None], receiver: Thread
) -> None:
    for worker in workers:
        worker.kill()
    asked.put(None)
    if workers:
        receiver.join()  # before its pipes are closed
    for worker in workers:
        worker.__exit__()
