"""Tensors computed from a model's weights alone, for inference."""

from collections.abc import Callable
from typing import Any

import torch


class Derived:
    """The value of `make()`, kept as long as no gradients are wanted and none of the
    tensors that it is made of has been written to; never in a traced graph."""

    def __init__(self, make: Callable[[], Any], *sources: torch.Tensor) -> None:
        self._make = make
        self._sources = sources
        self._versions: tuple[int, ...] | None = None
        self._value: Any = None

    def __call__(self) -> Any:
        if torch.is_grad_enabled() or _is_traced():
            self.forget()
            return self._make()
        versions = tuple(source._version for source in self._sources)
        if versions != self._versions:
            self._value, self._versions = self._make(), versions
        return self._value

    def forget(self) -> None:
        """Free the memory."""
        self._value = self._versions = None


def _is_traced() -> bool:
    """Whether operations are written down to be run later, when a kept value is
    outdated: torch.compile cannot compare versions, and a CUDA graph would read memory
    that is no longer there."""
    return torch.compiler.is_compiling() or (
        torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
    )
