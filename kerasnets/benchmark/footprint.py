"""Start-up time and peak memory of one contender, in a process of its own."""

import time
from dataclasses import dataclass

from kerasnets.benchmark.worker import Worker


@dataclass(frozen=True)
class Footprint:
    """Attributes:
    start_s: seconds from the start of imports to the end of the first training step.
    imports_memory_mb: memory of the process with all that it imports, before there is
        a network, in megabytes (10^6 bytes), or None where the platform does not say.
    peak_memory_mb: most memory of the process over five training steps, likewise. On an
        accelerator both are its memory.
    """

    start_s: float
    imports_memory_mb: float | None
    peak_memory_mb: float | None


def footprint(
    contender: str, network: str, batch_size: int, channels: int, device: str
) -> Footprint:
    """Measure a contender (one of `contenders.make`) in a fresh process.

    Args:
        device: as `kerasnets.engines.runtime.Session` has it.
    """
    arguments = (contender, network, batch_size, channels, device)
    with Worker(contender) as worker:
        return worker.call(_measure, *arguments)


def _measure(
    contender: str, network: str, batch_size: int, channels: int, device: str
) -> Footprint:
    began = time.perf_counter()
    from kerasnets.benchmark import contenders
    from kerasnets.engines import runtime

    backend = runtime.backend()
    with contenders.surroundings(contender, device):
        contenders.imports(contender)
        imports = runtime.peak_memory_bytes(backend, device)
        train = contenders.make(contender, network, batch_size, channels, device).train
        train()
        start_s = time.perf_counter() - began
        for _ in range(4):
            train()
        peak = runtime.peak_memory_bytes(backend, device)
    return Footprint(round(start_s, 2), _megabytes(imports), _megabytes(peak))


def _megabytes(count: int | None) -> float | None:
    return None if count is None else round(count / 1e6, 1)
