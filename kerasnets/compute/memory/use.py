"""Memory that a process or an accelerator uses."""

import contextlib
import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from kerasnets.compute.control_groups import lines


def peak_memory_bytes(backend: str, device: str) -> int | None:
    """Peak memory in bytes since `forget_peak_memory`, or else so far: of the
    accelerator if one is used, else of the process; None if the platform does not
    report it.

    Args:
        backend, device: as in `Session`.
    """
    if device.startswith("cuda"):
        index = int(device.partition(":")[2])
        if backend == "torch":
            import torch

            return torch.cuda.max_memory_allocated(index)
        if backend == "jax":
            import jax

            return (jax.devices("gpu")[index].memory_stats() or {}).get(
                "peak_bytes_in_use"
            )
        import tensorflow

        return tensorflow.config.experimental.get_memory_info(f"GPU:{index}")["peak"]
    # Unlike getrusage, which starts from the memory of the parent process.
    if (peak := _of_status("self", "VmHWM")) is not None:
        return peak
    if find_spec("resource") is None:  # Windows
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak_memory(backend: str, device: str) -> None:
    """Restart `peak_memory_bytes` from the memory in use, so that it excludes earlier
    runs of the process. It has no effect with JAX on an accelerator, nor on a CPU
    outside of Linux.

    Args:
        backend, device: as in `Session`.
    """
    if device.startswith("cuda"):
        index = int(device.partition(":")[2])
        if backend == "torch":
            import torch

            torch.cuda.reset_peak_memory_stats(index)
        elif backend == "tensorflow":
            import tensorflow

            tensorflow.config.experimental.reset_memory_stats(f"GPU:{index}")
    elif sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # a C library other than glibc
            # Memory that malloc keeps after it was freed counts as in use.
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):  # not permitted
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident_bytes(pid: int | None) -> int | None:
    """Memory in bytes that a process uses now; None if the platform does not report
    it, or the process has not begun or has ended."""
    return _of_status(pid, "VmRSS")


def _of_status(pid: int | str | None, field: str) -> int | None:
    """A field of Linux's status of a process, in bytes."""
    for line in lines(Path(f"/proc/{pid}/status")):
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
