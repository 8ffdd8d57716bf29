"""Being asked to stop: by Ctrl-C (SIGINT) or by the machine (SIGTERM)."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from kerasnets.errors import Interrupted

_ASKED_BY = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody has asked to stop, and by which signal."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def interruption(self, message: str) -> Interrupted:
        """The exception to end with; see `Interrupted` for the message."""
        assert self.signal is not None
        return Interrupted(self.signal, message)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Let the block end in its own time when a signal asks it to: the first one is
    only noted. A second one raises at once, wherever the block is.

    A block that ends without looking ends with Interrupted all the same, so that what
    comes after it stops too. A signal that the process ignores stays ignored. Outside
    the main thread, where Python delivers no signals, nothing is ever asked.

    Raises:
        Interrupted: a second signal came, or the block took no notice of the first.
    """
    request = StopRequest()
    before = {}

    def note(number: int, frame: object) -> None:
        if request:
            raise Interrupted(number, "at once; the last checkpoint is intact.")
        request.signal = number

    if threading.current_thread() is threading.main_thread():
        for number in _ASKED_BY:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            # None: installed by something other than Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if request:
        raise request.interruption("after the last step; the run is finished.")
