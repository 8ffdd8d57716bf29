"""Requests to stop: Ctrl-C (SIGINT) or the system (SIGTERM)."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

from kerasnets.errors import Interrupted

_ASKED_BY = (signal.SIGINT, signal.SIGTERM)
_AT_ONCE = "at once; the last checkpoint is intact."
_SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it
_PATIENCE_S = 2  # time for Python to end the process after the second signal


class StopRequest:
    """Whether a stop was requested, and by which signal."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def interruption(self, message: str) -> Interrupted:
        """The exception to raise; see `Interrupted` for the message."""
        assert self.signal is not None
        return Interrupted(self.signal, message)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Record the first signal, so that the block can stop when it is ready. A second
    signal raises at once. If the block is in a long native call then (a step or an XLA
    compilation), which no exception can end, the process exits.

    A block that ends without checking the request still raises Interrupted, so that
    its caller stops too. Signals that the process ignores stay ignored. Outside the
    main thread, where Python delivers no signals, there are no requests.

    Raises:
        Interrupted: a second signal came, or the block ignored the first.
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
    """Exit the process at the second signal, unless the block ends soon after it.

    Python's signal handlers run between bytecode instructions only. Signal numbers
    reach the wakeup socket at once, where a thread reads them.
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
                    # Python's streams may be locked by the native call.
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
