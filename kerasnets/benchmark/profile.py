"""Where the time of a training step goes, operation by operation."""

from collections.abc import Mapping
from typing import Any

from kerasnets.benchmark import contenders
from kerasnets.benchmark.worker import Worker
from kerasnets.engines import runtime
from kerasnets.errors import BackendError

COLUMNS = ("contender", "operation", "calls", "ms", "share")
_STEPS = 5


def check() -> None:
    """Raise BackendError unless the backend is PyTorch, whose profiler this is."""
    if runtime.backend() != "torch":
        raise BackendError("--profile needs the PyTorch backend.")


def profile(
    workers: Mapping[str, Worker],
    network: str,
    batch_size: int,
    channels: int,
    device: str,
) -> list[list[Any]]:
    """Rows of `COLUMNS`: for each contender (of `contenders.expand`) its operations,
    longest first, with calls a step, their own milliseconds a step on the CPU, and
    their share of all operations' time. Means of a few steps; operations below a
    hundredth of the time are added up as "the rest".

    Args:
        workers: of each contender's name its own, which drop what they ran before.
    """
    return [
        row
        for name, worker in workers.items()
        for row in worker.call(_rows, name, network, batch_size, channels, device)
    ]


def _rows(
    name: str, network: str, batch_size: int, channels: int, device: str
) -> list[list[Any]]:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    rows = []
    with contenders.surroundings(name, device):
        train = contenders.make(name, network, batch_size, channels, device).train
        train()
        train()
        with record(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(_STEPS):
                train()
    operations = sorted(found.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in operations)
    rest = 0.0
    for one in operations:
        share = one.self_cpu_time_total / total
        if share < 0.01:
            rest += share
        else:
            rows.append(_row(name, one.key, one.count / _STEPS, share, total))
    rows.append(_row(name, "the rest", "", rest, total))
    return rows


def _row(name: str, operation: str, calls: Any, share: float, total: float) -> list:
    milliseconds = share * total / _STEPS / 1000
    return [name, operation, calls, round(milliseconds, 3), round(share, 4)]
