"""Worker processes that make the bytes of batches ahead of the network."""

import weakref
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from kerasnets.compute.worker import Worker
from kerasnets.errors import ProcessEnded

# A batch takes seconds at most, even on a busy machine.
HUNG_AFTER_S = 300.0

Make = Callable[[int, int], np.ndarray]


class Workers:
    """Batches made by several processes in turn. The processes end with this object.

    Each process makes one batch while its previous one waits here. A thread receives
    them, as a process cannot continue until its batch is received. At most two batches
    per process are in memory.

    Why not Grain: it needs portpicker without installing it, its absl flags clash with
    those of other packages, and it hangs when a process is stopped. Why not PyTorch's
    DataLoader: it imports PyTorch, some 200 MB, into every process.

    Args:
        make: makes batch `index` of `epoch`, deterministically; picklable.
        batches: number of batches in an epoch.
        count: number of processes, at least 1.
        hung_after_s: maximum seconds for a batch; `HUNG_AFTER_S` unless given.
    """

    def __init__(
        self,
        make: Make,
        batches: int,
        count: int,
        *,
        hung_after_s: float | None = None,
    ) -> None:
        self._make, self._batches = make, batches
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
        """Batch `index` of `epoch`; sequential access is fastest.

        Raises:
            ProcessEnded: a process was killed or hangs.
            Exception: whatever `make` raises.
        """
        try:
            if self._next != epoch * self._batches + index:
                self._begin(epoch * self._batches + index)
            batch = self._answer()
            self._ask()
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
            self._workers += map(Worker, self._names)
            self._receiver.start()
        self.drop()
        self._turn = 0
        step = len(self._workers)
        for number, worker in enumerate(self._workers):
            worker.begin(_made, self._make, first + number, self._batches, step)
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
            answers.put((batch, None))
        except Exception as error:
            answers.put((None, error))
        batch = worker = None


def _made(make: Make, first: int, batches: int, step: int) -> Iterator[np.ndarray]:
    number = first
    while True:
        yield make(*divmod(number, batches))
        number += step


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
