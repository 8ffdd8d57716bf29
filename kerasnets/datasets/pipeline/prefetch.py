"""Prefetching: the next batch is made while the network processes the current one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Ahead:
    """Calls `make`, and makes the next batch in a thread.

    Keras's own workers are unsuitable: batches that they began before an interruption
    are served in the next epoch.

    Args:
        make: makes batch `index` of `epoch`, deterministically.
    """

    def __init__(self, make: Callable[[int, int], Any]) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-batch")
        self._next: tuple[int, int] | None = None
        self._coming: Future[Any] | None = None

    def __call__(self, epoch: int, index: int, *, last: bool) -> Any:
        """Batch `index` of `epoch`; starts the one after it unless this is the `last`.

        Raises:
            Exception: whatever `make` raises.
        """
        if self._coming is not None and self._next == (epoch, index):
            batch = self._coming.result()
        else:
            batch = self._make(epoch, index)
        self._next = self._coming = None
        if not last:
            self._next = (epoch, index + 1)
            self._coming = self._thread.submit(self._make, epoch, index + 1)
        return batch
