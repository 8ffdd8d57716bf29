"""A disk that is full at a write of one's choosing."""

import builtins
import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path


class Disk:
    """Counts the writes, syncs, renames and new folders under `folder`; the one
    numbered `fails_at` (from 1) fails as on a full disk, and with `stays_full` all
    after it.

    Attributes:
        operations: how many there were so far.
        failed: what failed, or None.
    """

    def __init__(self, folder: Path, fails_at: int | None, *, stays_full: bool) -> None:
        self.folder = str(folder)
        self.fails_at = fails_at
        self.stays_full = stays_full
        self.operations = 0
        self.failed: str | None = None

    def does(self, operation: str, path: object) -> None:
        self.operations += 1
        later = self.stays_full and self.failed is not None
        if later or self.operations == self.fails_at:
            self.failed = f"{operation} {path}"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def holds(self, path: object) -> bool:
        return isinstance(path, str | Path) and str(path).startswith(self.folder)


class _File(io.FileIO):
    """A file whose bytes go to a `Disk`."""

    disk: Disk

    def write(self, data):
        self.disk.does("write", self.name)
        return super().write(data)


@contextlib.contextmanager
def failing_disk(
    folder: Path, fails_at: int | None, *, stays_full: bool = False
) -> Iterator[Disk]:
    """Put a `Disk` under every file that Python code opens in `folder`."""
    disk = Disk(folder, fails_at, stays_full=stays_full)
    real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
    real_open = io.open

    def opened(file, mode="r", buffering=-1, *args, **options):
        if not disk.holds(file) or not set(mode) & set("wax+"):
            return real_open(file, mode, buffering, *args, **options)
        raw = _File(file, mode.replace("b", "").replace("t", ""))
        raw.disk = disk
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **options)

    def fsync(handle):
        disk.does("fsync", handle)
        return real["fsync"](handle)

    def to(name):
        def operation(path, *args, **options):
            if disk.holds(path):
                disk.does(name, path)
            return real[name](path, *args, **options)

        return operation

    replacements = {name: to(name) for name in ("replace", "rename", "mkdir")}
    replacements["fsync"] = fsync
    try:
        for name, replacement in replacements.items():
            setattr(os, name, replacement)
        io.open = builtins.open = opened
        yield disk
    finally:
        io.open = builtins.open = real_open
        for name, original in real.items():
            setattr(os, name, original)
