"""Start-up time and peak memory of one contender, in a process of its own."""

import concurrent.futures
import contextlib
import multiprocessing
import time
from dataclasses import dataclass


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
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        arguments = (contender, network, batch_size, channels, device)
        return pool.submit(_measure, *arguments).result()


def _measure(
    contender: str, network: str, batch_size: int, channels: int, device: str
) -> Footprint:
    began = time.perf_counter()
    from kerasnets.benchmark import contenders
    from kerasnets.engines import runtime

    backend = runtime.backend()
    # A plain PyTorch process enters no session, which would import Keras.
    plain = contenders.is_plain(contender)
    with contextlib.nullcontext() if plain else runtime.session(device):
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
