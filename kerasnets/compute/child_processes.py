"""Child processes that are independent of the calling script and of the terminal."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def independent() -> Iterator[None]:
    """Prevent processes that multiprocessing starts in the block from running the
    caller's script, and from receiving Ctrl-C.

    They would import the script for its definitions. One without
    `if __name__ == "__main__"`, such as a user's few lines, would then run again in
    each of them.

    A terminal sends Ctrl-C to all of its processes. These leave it to their parent,
    which ends them; each would print a traceback otherwise.
    """
    with _ctrl_c_blocked():
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it later would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
