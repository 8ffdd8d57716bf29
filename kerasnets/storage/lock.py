"""A lock that admits one process at a time to a run folder.

The kernel releases the lock when its holder ends, in whatever way. The note next to it
(process, machine, time) is only for the message: if a killed process leaves one behind,
it does not block others.
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
_PATIENCE_S = 0.5  # longer than `is_held` holds the lock for its check


_NOTED = {
    "pid": schema.required(schema.COUNT),
    "host": schema.required(schema.LINE),
    "since": schema.required(schema.LINE),
}


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a run folder.

    Raises:
        RunError: another process holds the lock, or the folder cannot be written.
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
        with contextlib.suppress(OSError):  # on a full disk, the caller's writes fail
            files.write_json(folder / _NOTE, note)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _NOTE).unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds a run folder.

    If the lock cannot be tried, as in a folder that is not writable, the note decides.
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
    """The holder of the lock according to the note, or None."""
    try:
        note = files.read_json(folder / _NOTE, _NOTED)
    except RunError:  # missing, or being removed
        return None
    return f"process {note['pid']} on {note['host']} since {note['since']}"
