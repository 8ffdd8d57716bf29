"""Image files to classify: found by name and decoded ahead, in order."""

import glob
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kerasnets.catalog.image_files import ENDINGS, images_within
from kerasnets.catalog.image_headers import read_bytes
from kerasnets.compute.child_processes import independent
from kerasnets.compute.threads import allowed_cores
from kerasnets.datasets.images import decode_file
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.errors import DatasetError, ProcessEnded, shown

_STANDARD_INPUT = "-"
_NETPBM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+\d+\s")  # may be plain text
_CHUNK = 16  # most files per task of a worker process
_WITHOUT_WORKERS = 128  # below this number of files, starting workers takes longer
_AHEAD = 3  # least chunks per worker process that may wait for the network


def image_files(places: Iterable[str], standard_input: BinaryIO) -> list[str | bytes]:
    """The names of all image files in `places`, in order; an image on standard input or
    in a pipe is returned as bytes.

    Args:
        places: files; folders, searched as for training, in order of names; patterns
            such as "photos/**/*.jpg"; or "-" for standard input, which holds an image,
            or one file name per line.
        standard_input: the stream for "-".

    Raises:
        DatasetError: a place is missing or has no image.
    """
    found: list[str | bytes] = []
    for place in places:
        if place == _STANDARD_INPUT:
            found += _given(standard_input)
        elif os.path.isdir(place):  # noqa: PTH112
            inside = _within(place)
            if not inside:
                raise DatasetError(
                    f"the folder {shown(place)} has no image ({', '.join(ENDINGS)})."
                )
            found += inside
        elif glob.has_magic(place) and not os.path.exists(place):  # noqa: PTH110
            matched = sorted(glob.glob(place, recursive=True))  # noqa: PTH207
            files = [one for one in matched if Path(one).is_file()]
            if not files:
                raise DatasetError(f"no file matches {shown(place)}.")
            found += files
        elif not os.path.exists(place):  # noqa: PTH110
            raise DatasetError(f"there is no file {shown(place)}.")
        elif stat.S_ISFIFO(os.stat(place).st_mode):  # noqa: PTH116
            found.append(Path(place).read_bytes())
        else:
            found.append(place)
    return found


def _given(standard_input: BinaryIO) -> list[str | bytes]:
    data = standard_input.read()
    # Other images contain a zero byte, which no file name does.
    if b"\0" in data or _NETPBM.match(data):
        return [data]
    names = [os.fsdecode(line) for line in data.splitlines() if line.strip()]
    if not names:
        raise DatasetError("standard input is empty: '-' needs an image or file names.")
    return list(names)


def _within(folder: str) -> list[str]:
    try:
        return list(map(str, images_within(Path(folder))[0]))
    except OSError as error:
        raise DatasetError(
            f"{shown(error.filename)} cannot be read: {error.strerror}."
        ) from error


def decoded(
    files: Sequence[str | bytes],
    steps: Preprocessing,
    workers: int | None = None,
    *,
    batch: int = 256,
    ahead: bool = True,
) -> Iterator[np.ndarray | str]:
    """Yield each file, in order, as uint8 [H, W, C] or the reason of a failure.

    Only a few are in memory at a time.

    Args:
        steps: the preprocessing, without normalization.
        workers: processes that decode; by default none for a few files, and one per
            core that this process may use for many.
        batch: files that the caller takes before it pauses, >= 1.
        ahead: decode the next batch during the pause, which suits an accelerator. A
            network on the CPU uses every core, and waits for its slowest thread: it
            loses less if it pauses while a batch is decoded.

    Raises:
        ProcessEnded: a worker process was killed.
    """
    read = partial(_read, steps=steps)
    if workers is None:
        workers = 0 if len(files) < _WITHOUT_WORKERS else allowed_cores()
    if not workers:
        yield from map(read, files)
        return
    chunk = min(_CHUNK, -(-batch // workers))
    most = -(-batch // chunk)
    if ahead:
        most = max(most, workers * _AHEAD)
    chunks = _chunks(files, batch, chunk)
    stand_back = _stand_back if ahead else None
    pool = ProcessPoolExecutor(workers, get_context("spawn"), stand_back)
    waiting: deque[Future] = deque()
    try:
        while True:
            if ahead or not waiting:
                for some in islice(chunks, most - len(waiting)):
                    with independent():  # processes start with their first task
                        waiting.append(pool.submit(_read_all, some, steps))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ProcessEnded(
            "a process that decodes images was killed, perhaps as the memory is full."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(
    files: Sequence[str | bytes], batch: int, size: int
) -> Iterator[Sequence[str | bytes]]:
    """Up to `size` files, all of one batch."""
    for first in range(0, len(files), batch):
        together = files[first : first + batch]
        for at in range(0, len(together), size):
            yield together[at : at + size]


def _stand_back() -> None:
    """Lower this worker's priority: the network uses every core too, and waits for its
    slowest thread."""
    if hasattr(os, "nice"):
        os.nice(5)


def _read_all(
    files: Sequence[str | bytes], steps: Preprocessing
) -> list[np.ndarray | str]:
    return [_read(file, steps) for file in files]


def _read(file: str | bytes, steps: Preprocessing) -> np.ndarray | str:
    try:
        return read(file, steps)
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)


def read(file: str | bytes | Path, steps: Preprocessing) -> np.ndarray:
    """Decode a file, given by path or content, to uint8 [H, W, C].

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an image; the message is one line.
    """
    return decode_file(
        file if isinstance(file, bytes) else read_bytes(Path(file)),
        steps.height,
        len(steps.mean),
        resize=steps.resize,
        background=steps.background,
        decode=steps.decode,
    )
