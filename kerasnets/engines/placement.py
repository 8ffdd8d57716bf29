"""Where the pixels of a batch are made: on the host, or where the network computes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from kerasnets.engines.runtime import Session


def place(session: Session, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a session's batches, as `kerasnets.datasets.pixels.Place` says.

    Args:
        otherwise: for a CPU, and for the backends that copy a batch ahead themselves.
    """
    if session.backend == "torch" and session.device.startswith("cuda"):
        from kerasnets.engines.torch_pixels import TorchPixels

        return partial(TorchPixels, device=session.device)
    return otherwise
