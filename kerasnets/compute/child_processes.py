"""Child processes that are independent of the calling script."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Prevent processes that multiprocessing starts in the block from running the
    caller's script.

    They would import it for its definitions. A script without
    `if __name__ == "__main__"`, such as a user's few lines, would then run again in
    each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
