"""PyTorch's number of CPU threads, and the cores that are idle for them.

OpenMP threads wait for each other after every operation. If one of the cores is busy,
or a container has fewer cores than there are threads, they mostly wait.
"""

import contextlib
import functools
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kerasnets.compute.control_groups import cpu_quota, lines
from kerasnets.errors import BackendError, option, shown

AUTO = "auto"
MOST = 1024

_SAMPLE_S = 0.4
# Minimum share of idle time of a free core.
_FREE = 0.75


def check(threads: int | str | None) -> None:
    """Raise BackendError unless `threads` is `AUTO`, None or from 1 to `MOST`."""
    number = isinstance(threads, int) and not isinstance(threads, bool)
    if threads not in (None, AUTO) and not (number and 1 <= int(threads) <= MOST):
        raise BackendError(
            f"{option('threads')} must be a whole number from 1 to {MOST}, or "
            f"'{AUTO}', not {shown(repr(threads))}."
        )


@contextlib.contextmanager
def limited_to(threads: int | str | None, backend: str) -> Iterator[None]:
    """Set the number of threads, and restore the previous number afterwards.

    Args:
        threads: see `kerasnets.compute.execution.Execution`.

    Raises:
        BackendError: the backend's number of threads is fixed when it starts.
    """
    if threads is None:
        yield
        return
    if backend != "torch":
        raise BackendError(_ELSEWHERE[backend].format(option("threads")))
    import torch

    before = torch.get_num_threads()
    number = free_cores(before) if isinstance(threads, str) else threads
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_ELSEWHERE = {
    "jax": "{} sets up PyTorch; jax uses all cores that its process may use, which "
    "'taskset' limits.",
    "tensorflow": "{} sets up PyTorch; tensorflow reads TF_NUM_INTRAOP_THREADS from "
    "the environment when it starts.",
}


@functools.cache  # later, this process's own threads would count as load
def free_cores(most: int) -> int:
    """Number of idle cores that this process may use, from 1 to `most`; also printed on
    standard error."""
    allowed = allowed_cores()
    idle = _idle_cores()
    number = max(1, min(most, allowed, math.floor(idle + 1 - _FREE)))
    print(
        f"kerasnets: {number} thread{'s' * (number > 1)}; {idle:.1f} of "
        f"{os.cpu_count()} cores are idle, and this process may use {allowed}",
        file=sys.stderr,
    )
    return number


def allowed_cores() -> int:
    """Number of cores that CPU affinity and container allow this process."""
    return max(1, math.floor(min(len(affinity()), cpu_quota())))


def affinity() -> set[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _idle_cores() -> float:
    """Average number of idle cores in this process's affinity, sampled briefly."""
    before = _times()
    if not before:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        return max(0.0, len(affinity()) - load)
    time.sleep(_SAMPLE_S)
    idle = 0.0
    for core, (idle_after, all_after) in _times().items():
        idle_before, all_before = before.get(core, (0, 0))
        idle += (idle_after - idle_before) / max(1, all_after - all_before)
    return idle


def _times() -> dict[int, tuple[int, int]]:
    """Idle and total ticks of each core since boot; empty if unknown."""
    found = {}
    for line in lines(Path("/proc/stat")):
        name, *values = line.split()
        core = name.removeprefix("cpu")
        if name.startswith("cpu") and core.isdecimal() and int(core) in affinity():
            ticks = [int(value) for value in values[:8]]  # the rest is in user time
            found[int(core)] = (ticks[3] + ticks[4], sum(ticks))
    return found
