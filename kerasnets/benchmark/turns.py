"""A contender's turns at running, in a process of its own."""

import time
from collections.abc import Iterator

from kerasnets.benchmark import contenders

_TURN_S = 0.5


def turns(
    name: str, network: str, batch_size: int, channels: int, device: str, what: str
) -> Iterator[float]:
    """Make a contender (one of `contenders.make`) and give it a turn whenever the next
    value is asked for: the mean seconds of the calls that half a second takes, of one
    at least, after a call that does not count.

    Args:
        device: as `kerasnets.engines.runtime.Session` has it.
        what: "train" or "predict".
    """
    with contenders.surroundings(name, device):
        made = contenders.make(name, network, batch_size, channels, device)
        call = getattr(made, what)
        while True:
            call()  # so that the caches hold its own data, as in a training loop
            began = time.perf_counter()
            calls, took = 0, 0.0
            while took < _TURN_S:
                call()
                calls, took = calls + 1, time.perf_counter() - began
            yield took / calls
