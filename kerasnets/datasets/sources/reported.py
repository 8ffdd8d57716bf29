"""Decoding in threads, with progress."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from kerasnets.console import console

_CHUNK = 100  # images
_AHEAD = 64  # images decoded in advance
_One = TypeVar("_One")
_Made = TypeVar("_Made")


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[_One], _Made], items: Iterable[_One]
) -> Iterator[_Made]:
    """As `pool.map`, but only a few items ahead, so that memory is bounded and an error
    or Ctrl-C ends it soon."""
    waiting = iter(items)
    futures = [pool.submit(work, item) for item in islice(waiting, _AHEAD)]
    try:
        while futures:
            yield futures.pop(0).result()
            futures += [pool.submit(work, item) for item in islice(waiting, 1)]
    finally:
        for future in futures:
            future.cancel()


def reported(what: str, count: int, examples: Iterable[_One]) -> Iterator[_One]:
    """Pass examples on, showing progress on standard error after the first second.

    Args:
        what: what is decoded, in words.
        count: number of examples.
    """
    from rich.progress import Progress

    screen = console(stderr=True)
    progress = Progress(console=screen, transient=True, disable=True)
    task = progress.add_task(f"decoding {what}", total=count)
    began = time.perf_counter()
    said = False
    with progress:
        for done, example in enumerate(examples):
            if not said and time.perf_counter() - began > 1:
                said = True
                if screen.is_terminal:
                    progress.disable = False
                    progress.start()
                else:
                    screen.print(f"decoding {what}: {count:,} images, once")
            if done % _CHUNK == 0:
                progress.update(task, completed=done)
            yield example
