"""Timing of asynchronous devices."""

import contextlib
import sys
import time
from contextlib import AbstractContextManager


def synchronize(device: str) -> None:
    """Wait until PyTorch's CUDA device has finished its queued work."""
    if device.startswith("cuda") and "torch" in sys.modules:
        import torch

        torch.cuda.synchronize(device)


class Clock:
    """Times a span of steps.

    Args:
        device: see `kerasnets.compute.runtime.Session`.
        within: a context for the duration of the span.

    Attributes:
        began, ended: `time.perf_counter()` while the device was idle.
    """

    def __init__(
        self, device: str, within: AbstractContextManager | None = None
    ) -> None:
        self._device = device
        self._within = within or contextlib.nullcontext()
        self.began = self.ended = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def start(self) -> None:
        synchronize(self._device)
        self._within.__enter__()
        self.began = time.perf_counter()

    def stop(self) -> None:
        synchronize(self._device)
        self.ended = time.perf_counter()
        self._within.__exit__(None, None, None)
