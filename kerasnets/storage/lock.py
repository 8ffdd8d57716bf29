"""One process at a time in a run folder, and who it is.

The lock is the kernel's, so it ends with the process that holds it, however that ends.
The note beside it (process, machine, since when) is for the message alone: one that a
killed process left behind keeps nobody out.
"""

import contextlib
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

from kerasnets.errors import RunError, shown
from kerasnets.storage import files, schema

_LOCK, _NOTE = ".lock", ".lock.json"
_PATIENCE_S = 0.5  # longer than `is_held` takes the lock to see whether it is free


_NOTED = {
    "pid": schema.required(schema.COUNT),
    "host": schema.required(schema.LINE),
    "since": schema.required(schema.LINE),
}


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a run folder.

    Raises:
        RunError: another process holds it, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except filelock.Timeout as error:
        who = _note(folder) or "another process"
        raise RunError(f"{folder} is in use by {who}.") from error
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}.") from error
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        note = {"pid": os.getpid(), "host": shown(platform.node()), "since": now}
        with contextlib.suppress(OSError):  # a full disk is for the caller to meet
            files.write_json(folder / _NOTE, note)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _NOTE).unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds a run folder.

    Where the lock cannot be tried, as in a folder that is not writable, the note beside
    it is believed.
    """
    if not (folder / _LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / _LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return _note(folder) is not None


def _note(folder: Path) -> str | None:
    """Who holds the lock, as far as that is noted."""
    try:
        note = files.read_json(folder / _NOTE, _NOTED)
    except RunError:  # not there, or being removed
        return None
    return f"process {note['pid']} on {note['host']} since {note['since']}"
