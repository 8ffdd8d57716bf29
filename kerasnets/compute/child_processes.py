"""Child processes that are independent of the calling script."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Let processes that multiprocessing starts in the block leave the caller's script
    alone.

    They would run it for what it defines. One without `if __name__ == "__main__"`, as
    the scripts of installed commands and a few lines of a user's may be, would begin
    anew in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
