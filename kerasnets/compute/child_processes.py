"""Child processes that are independent of the calling script and of the terminal."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def independent() -> Iterator[None]:
    """Prevent processes that multiprocessing starts in the block from running the
    caller's script, and from receiving Ctrl-C."""
    with ctrl_c_blocked(), without_main():
        yield


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Prevent processes that multiprocessing starts in the block from running the
    caller's script.

    They would import it for its definitions. A script without
    `if __name__ == "__main__"`, such as a user's few lines, would then run again in
    each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def ctrl_c_blocked() -> Iterator[None]:
    """Make processes started in the block ignore Ctrl-C, which a terminal sends to all
    of its processes; their parent handles it and ends them. The block itself does not
    receive it either, and must be short."""
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
