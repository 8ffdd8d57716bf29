"""Memory and disk space for decoded images."""

import math
import os
import shutil
import tempfile
from errno import ENOENT, ENOSPC

import numpy as np

from kerasnets.compute.memory.free import free_memory
from kerasnets.errors import DatasetError
from kerasnets.storage.folders import user_cache


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """An uninitialized array uint8 [count, size, size, channels], in memory or, if it
    would take more than a quarter of the free memory, in an unnamed file in the user's
    cache folder.

    Raises:
        DatasetError: there is no room on disk either.
    """
    shape = (count, size, size, channels)
    if math.prod(shape) <= free_memory() / 4:
        return np.empty(shape, np.uint8)
    try:
        return empty_on_disk(shape, np.dtype(np.uint8))
    except OSError as error:
        raise DatasetError(
            f"{count:,} images of {size}x{size} pixels take "
            f"{math.prod(shape) / 1e9:.1f} GB, and twice as much on disk while they "
            f"are decoded, for which {user_cache()} has no room ({error.strerror}); "
            "use a smaller image size, or name another folder with KERASNETS_CACHE."
        ) from error


def empty_on_disk(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """An uninitialized array in an unnamed file in the user's cache folder, with room
    for a copy next to it.

    Raises:
        OSError: there is no room.
    """
    folder = user_cache()
    if folder is None:
        raise OSError(ENOENT, "there is no home folder")
    folder.mkdir(parents=True, exist_ok=True)
    needed = math.prod(shape) * kind.itemsize
    # Twice: the cache is a copy.
    if shutil.disk_usage(folder).free < 2 * needed:
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(needed)
        return np.memmap(file, kind, "r+", shape=shape)


def decoded_fit(count: int, size: int, channels: int) -> bool:
    """Whether there is room for decoded images: in memory or on disk while decoding,
    and on disk for the cache."""
    folder = user_cache()
    if folder is None:
        return True  # without a cache folder, caching raises the error
    needed = count * size * size * channels
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(nearest).free
    return free >= needed * (1 if needed <= free_memory() / 4 else 2)
