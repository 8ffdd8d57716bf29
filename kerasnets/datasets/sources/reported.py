"""Progress while images are decoded."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from kerasnets.console import console

_CHUNK = 100  # images
_One = TypeVar("_One")


def reported(what: str, count: int, examples: Iterable[_One]) -> Iterator[_One]:
    """Pass examples on, showing progress on standard error after the first second.

    Args:
        what: is decoded, in words.
        count: of examples.
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
