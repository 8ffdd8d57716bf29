"""Start-up time and peak memory of one contender, in a process of its own."""

import concurrent.futures
import multiprocessing
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """Attributes:
    start_s: seconds from the start of imports to the end of the first training step.
    peak_memory_mb: most memory of the process over five training steps, in megabytes
        (10^6 bytes), or None where the platform does not say.
    """

    start_s: float
    peak_memory_mb: float | None


def footprint(
    contender: str, network: str, batch_size: int, channels: int, device: str
) -> Footprint:
    """Measure a contender (one of `contenders.make`) in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        arguments = (contender, network, batch_size, channels, device)
        return pool.submit(_measure, *arguments).result()


def _measure(
    contender: str, network: str, batch_size: int, channels: int, device: str
) -> Footprint:
    began = time.perf_counter()
    from kerasnets.benchmark.contenders import make
    from kerasnets.engines import runtime

    with runtime.session(device) as session:
        train = make(contender, network, batch_size, channels, device).train
        train()
        start_s = time.perf_counter() - began
        for _ in range(4):
            train()
        peak = runtime.peak_memory_bytes(session)
    return Footprint(round(start_s, 2), None if peak is None else round(peak / 1e6, 1))
