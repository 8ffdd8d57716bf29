"""Cached tensors that depend only on a model's weights, for inference."""

from collections.abc import Callable
from typing import Any

import torch


class Derived:
    """The value of `make()`, cached until one of its source tensors is modified. It is
    not cached if gradients are enabled or the code is traced."""

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
        """Discard the cached value to free its memory."""
        self._value = self._versions = None


def _is_traced() -> bool:
    """Whether operations are being recorded for later, when a cached value would be
    outdated: torch.compile cannot compare versions, and a CUDA graph would read freed
    memory."""
    return torch.compiler.is_compiling() or (
        torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
    )
