"""Make networks without drawing initial weights."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

_drawing = threading.Lock()


@contextlib.contextmanager
def nothing_drawn() -> Iterator[None]:
    """Let layers that this thread makes begin with zeros, for networks whose weights
    come from a file, or are only counted. Drawing takes longer than reading a file."""
    from keras import initializers, ops

    here = threading.get_ident()

    def zeros(draw: Callable) -> Callable:
        def call(self: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
            if threading.get_ident() != here:
                return draw(self, shape, dtype=dtype)
            return ops.zeros(shape, dtype)

        return call

    kinds: Any = (
        initializers.VarianceScaling,
        initializers.RandomNormal,
        initializers.RandomUniform,
    )
    with _drawing, contextlib.ExitStack() as stack:
        for kind in kinds:
            stack.callback(setattr, kind, "__call__", kind.__call__)
            kind.__call__ = zeros(kind.__call__)
        yield
