"""A process of its own: what it allocates and sets stays with it.

Nothing heavy is imported here, as a worker's own imports are part of what is measured.
"""

import contextlib
import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, Self

from kerasnets.compute.child_processes import without_main
from kerasnets.errors import ProcessEnded


class Worker:
    """A fresh process that runs one generator at a time, value by value.

    Use it in a `with` block, which ends the process.

    Args:
        name: what errors call it.
        room: bytes of memory to share with the process.

    Attributes:
        memory: that is shared, and that its jobs find as `shared_memory()`; None where
            it is of no bytes, or the machine has no room for it.
    """

    def __init__(self, name: str, room: int = 0) -> None:
        self._name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.memory = context.RawArray("B", room) if _fits(room) else None
        # A daemon ends with its parent, whatever happens before the `with` block.
        self._process = context.Process(
            target=_serve, args=(theirs, self.memory), daemon=True
        )
        with _ctrl_c_blocked(), without_main():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def __enter__(self) -> Self:
        return self

    def kill(self) -> None:
        """End the process: whoever waits for its answer is told that it has ended."""
        self._process.kill()

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.join()
        self._pipe.close()

    def begin(self, job: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        """Drop the previous generator with its memory, and make `job(*arguments)`.

        Args:
            job: picklable, as are its arguments and what it yields.

        Raises: what `next` does.
        """
        self._ask((job, arguments))

    def next(self) -> Any:
        """What the generator yields next.

        Raises:
            ProcessEnded: the process was killed, or ended by itself.
            Exception: whatever the generator raised, with a note of where.
        """
        return self._ask(None)

    def ask(self) -> None:
        """Ask for the generator's next value; `answer` returns it. Other workers may be
        asked meanwhile.

        Raises:
            ProcessEnded: as `next` does.
        """
        self._send(None)

    def answer(self, timeout_s: float | None = None) -> Any:
        """What `ask` asked for.

        Args:
            timeout_s: how long to wait for it; None for ever.

        Raises:
            TimeoutError: it took longer. The process still works; end it.
            Exception: what `next` does.
        """
        if timeout_s is not None and not self._pipe.poll(max(0.0, timeout_s)):
            raise TimeoutError(f"{self._name} took longer than {timeout_s:.0f} s.")
        try:
            answer, error = self._pipe.recv()
        except (EOFError, OSError):
            self._raise_ended()
        if error is not None:
            raise error
        return answer

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, called there; drops the previous generator.

        Raises: what `next` does.
        """
        self.begin(_once, function, arguments)
        return self.next()

    def _ask(self, request: tuple[Callable[..., Iterator[Any]], tuple] | None) -> Any:
        self._send(request)
        return self.answer()

    def _send(self, request: tuple[Callable[..., Iterator[Any]], tuple] | None) -> None:
        try:
            self._pipe.send(request)
        except OSError:
            self._raise_ended()

    def _raise_ended(self) -> NoReturn:
        self._process.join(5)
        raise ProcessEnded(_ended(self._name, self._process.exitcode)) from None


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Processes started in the block ignore Ctrl-C, which reaches all processes of a
    terminal; their parent handles it and ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its own start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _once(function: Callable[..., Any], arguments: tuple) -> Iterator[Any]:
    yield function(*arguments)


def _fits(room: int) -> bool:
    """Whether `multiprocessing` finds room for shared memory: it asks only the first
    of these places, and a process that writes where no room is ends."""
    places = map(Path, ("/dev/shm", tempfile.gettempdir()))
    return room > 0 and any(
        one.is_dir() and shutil.disk_usage(one).free >= room for one in places
    )


_shared: Any = None


def shared_memory() -> Any:
    """In a worker: the bytes that it shares with its parent, or None."""
    return _shared


def _serve(pipe: Connection, shared: Any) -> None:
    global _shared
    _shared = shared
    # By default the first process takes most of an accelerator's memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    job: Iterator[Any] = iter(())
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            request = pipe.recv()
            answer, error = None, None
            try:
                if request is None:
                    answer = next(job)
                else:
                    job = iter(())
                    gc.collect()
                    function, arguments = request
                    job = function(*arguments)
            except Exception as raised:
                error = _sendable(raised)
            pipe.send((answer, error))


def _sendable(error: Exception) -> Exception:
    """The error with its traceback as a note, or an equivalent one if pickle cannot
    carry it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In another process:\n{traceback.format_exc()}")
    return error


def _ended(name: str, status: int | None) -> str:
    how = f"by signal {-status}" if status and status < 0 else f"with status {status}"
    why = "; memory may have run out" if status == -9 else ""
    return f"the process of {name!r} ended {how} before it had answered{why}."
