"""Being asked to stop: by Ctrl-C (SIGINT) or by the machine (SIGTERM)."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

from kerasnets.errors import Interrupted

_ASKED_BY = (signal.SIGINT, signal.SIGTERM)
_AT_ONCE = "at once; the last checkpoint is intact."
_SHOW_CURSOR = b"\x1b[?25h"  # which a progress bar hides
_PATIENCE_S = 2  # with which the second signal lets Python end the process


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
    only noted. A second one raises at once, wherever the block is; where it is in a
    long call outside Python (a step or a compilation of XLA), which no exception ends,
    the process ends.

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
            raise Interrupted(number, _AT_ONCE)
        request.signal = number

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(_ended_at_the_second())
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


@contextlib.contextmanager
def _ended_at_the_second() -> Iterator[None]:
    """End the process at the second signal, unless the block ends soon after it.

    Python's handlers run between two of its instructions only; the numbers of signals
    reach a socket at once, and a thread reads them.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        asked = 0
        while number := ours.recv(1):  # nothing once the other end is closed
            asked += number[0] in _ASKED_BY
            if asked == 2:
                if not over.wait(_PATIENCE_S):
                    error = Interrupted(number[0], _AT_ONCE)
                    if os.isatty(1):
                        os.write(1, _SHOW_CURSOR)
                    # Not through Python's streams, which the call may have locked.
                    os.write(2, f"kerasnets: {error}\n".encode())
                    os._exit(error.exit_status)
                return

    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        theirs.close()
        watcher.join()
        ours.close()
