"""Worker processes, whose memory and settings are isolated.

No heavy imports here: benchmarks measure a worker's memory and imports.
"""

import contextlib
import gc
import multiprocessing
import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, Self

from kerasnets.compute.child_processes import independent
from kerasnets.errors import ProcessEnded


class Worker:
    """A fresh process that runs one generator at a time, value by value.

    Use it in a `with` block, which ends the process.

    Args:
        name: the worker's name in error messages.
        room: bytes of memory to share with the process.

    Attributes:
        memory: the shared memory, which jobs find as `shared_memory()`; None if `room`
            is 0 or the machine lacks the room.
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
        with independent():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def __enter__(self) -> Self:
        return self

    def kill(self) -> None:
        """Kill the process; pending calls of `answer` raise ProcessEnded."""
        self._process.kill()

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.join()
        self._pipe.close()

    def begin(self, job: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        """Discard the previous generator with its memory, and create
        `job(*arguments)`.

        Args:
            job: a picklable function with picklable arguments that yields picklable
                values.

        Raises: as `next`.
        """
        self._ask((job, arguments))

    def next(self) -> Any:
        """The generator's next value.

        Raises:
            ProcessEnded: the process was killed or has exited.
            Exception: whatever the generator raised, with its traceback as a note.
        """
        return self._ask(None)

    def ask(self) -> None:
        """Request the generator's next value without waiting; `answer` returns it.

        Raises:
            ProcessEnded: as `next`.
        """
        self._send(None)

    def answer(self, timeout_s: float | None = None) -> Any:
        """Wait for the value requested by `ask`.

        Args:
            timeout_s: maximum seconds to wait; None for no limit.

        Raises:
            TimeoutError: it took longer. The process is still busy and must be killed.
            Exception: as `next`.
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
        """Run `function(*arguments)` in the process, discarding the previous generator.

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


def _once(function: Callable[..., Any], arguments: tuple) -> Iterator[Any]:
    yield function(*arguments)


def _fits(room: int) -> bool:
    """Whether `multiprocessing` finds room for shared memory. It checks only the first
    of these places, and writing where there is no room kills the process."""
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
    # By default, the first process reserves most of an accelerator's memory.
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
    """The error with its traceback as a note, or an equivalent one if it cannot be
    pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In another process:\n{traceback.format_exc()}")
    return error


def _ended(name: str, status: int | None) -> str:
    how = f"by signal {-status}" if status and status < 0 else f"with status {status}"
    why = "; memory may have run out" if status == -9 else ""
    return f"the process of {name!r} ended {how} before it answered{why}."
