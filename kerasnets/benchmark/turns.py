"""A contender's turns at running, in a process of its own."""

import time
from collections.abc import Iterator

from kerasnets.benchmark import contenders


def turns(
    name: str, network: str, batch_size: int, channels: int, device: str, what: str
) -> Iterator[float]:
    """Make a contender (one of `contenders.make`) and give it a turn whenever the next
    value is asked for: the seconds of a call, after a call that does not count.

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
            call()
            yield time.perf_counter() - began
