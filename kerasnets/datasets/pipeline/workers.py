"""The bytes of batches made by processes of their own, ahead of the network."""

import weakref
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from kerasnets.compute.worker import Worker
from kerasnets.errors import ProcessEnded

# A batch takes seconds at most, also on a machine with neighbours.
HUNG_AFTER_S = 300.0

Make = Callable[[int, int], np.ndarray]


class Workers:
    """What `make` gives, batch after batch, each made by the next of several processes,
    which make at most one ahead each. They end with this object.

    Args:
        make: makes batch `index` of `epoch`, the same at every call; picklable.
        batches: in an epoch.
        count: of processes, at least 1.
        hung_after_s: how long a batch may take; `HUNG_AFTER_S` unless given.
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
        self._count = count
        self._workers: list[Worker] = []  # that are begun with the first batch
        self._end = weakref.finalize(self, _end, self._workers)
        self._asked: deque[Worker] = deque()
        self._next = -1  # batches are numbered through all epochs

    def __call__(self, epoch: int, index: int) -> np.ndarray:
        """Batch `index` of `epoch`; fastest one after the other.

        Raises:
            ProcessEnded: a process was killed, or hangs.
            Exception: whatever `make` raises.
        """
        try:
            if self._next != epoch * self._batches + index:
                self._begin(epoch * self._batches + index)
            worker = self._asked.popleft()
            batch = worker.answer(self._hung_after_s)
            worker.ask()
            self._asked.append(worker)
        except TimeoutError as error:
            self._end()
            raise ProcessEnded(f"{error} It was ended.") from None
        except BaseException:
            self._end()
            raise
        self._next += 1
        return batch

    def _begin(self, first: int) -> None:
        while len(self._workers) < self._count:
            name = f"worker {len(self._workers) + 1} of {self._count}"
            self._workers.append(Worker(name))
        for worker in self._asked:
            worker.answer(self._hung_after_s)
        self._asked.clear()
        step = len(self._workers)
        for number, worker in enumerate(self._workers):
            worker.begin(_made, self._make, first + number, self._batches, step)
            worker.ask()
            self._asked.append(worker)
        self._next = first


def _made(make: Make, first: int, batches: int, step: int) -> Iterator[np.ndarray]:
    number = first
    while True:
        yield make(*divmod(number, batches))
        number += step


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        worker.__exit__()
