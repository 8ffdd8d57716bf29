"""Room for decoded images."""

import math
import os
import shutil
import tempfile
from errno import ENOENT, ENOSPC
from pathlib import Path

import numpy as np

from kerasnets.errors import DatasetError
from kerasnets.storage.folders import user_cache


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """uint8 [count, size, size, channels] to be filled: in memory or, where that is
    more than a quarter of what is free, in a file without a name in the user's cache
    folder.

    Raises:
        DatasetError: there is no room for that either.
    """
    shape = (count, size, size, channels)
    needed = count * size * size * channels
    if needed <= free_memory() / 4:
        return np.empty(shape, np.uint8)
    folder = user_cache()
    try:
        if folder is None:
            raise OSError(ENOENT, "there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        # Twice: the cache is a copy.
        if shutil.disk_usage(folder).free < 2 * needed:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(needed)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise DatasetError(
            f"{count:,} images of {size}x{size} pixels take {needed / 1e9:.1f} GB, and "
            f"twice as much on disk while they are decoded, for which {folder} has no "
            f"room ({error.strerror}); use a smaller image size, or name another "
            "folder with KERASNETS_CACHE."
        ) from error


def free_memory() -> float:
    """Bytes that can be taken without swapping; infinite where nothing tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(free.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    return math.inf
