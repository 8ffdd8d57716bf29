"""Profile of a training step by operation."""

from typing import Any

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.work import Work
from kerasnets.compute import runtime
from kerasnets.compute.worker import Worker
from kerasnets.errors import BackendError, option

COLUMNS = ("contender", "operation", "calls", "ms", "share")
_STEPS = 5


def check() -> None:
    """Raise BackendError unless the backend is PyTorch, whose profiler is used."""
    if runtime.backend() != "torch":
        raise BackendError(f"{option('profiled', True)} needs the PyTorch backend.")


def profile(contender: Contender, work: Work, worker: Worker) -> list[list[Any]]:
    """Rows of `COLUMNS`: a contender's operations in a training step, longest first,
    with calls and milliseconds per step (own CPU time, or time of CUDA kernels), and
    the share of the total time. Values are means over a few steps; operations below 1 %
    are summed as "the rest".

    Args:
        worker: the contender's process; its current job is discarded.
    """
    return worker.call(_rows, contender, work)


def _rows(contender: Contender, work: Work) -> list[list[Any]]:
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    on_cuda = work.on_cuda
    activities = [ProfilerActivity.CPU]
    if on_cuda:
        activities.append(ProfilerActivity.CUDA)
    with choice.surroundings(contender, work):
        runner = choice.make(contender, work)
        runner.run(2, Clock(work.device))
        found = record(activities=activities)
        runner.run(_STEPS, Clock(work.device, within=found), warm_up=3)
    operations = found.key_averages()
    if on_cuda:
        kernels = [one for one in operations if one.device_type == DeviceType.CUDA]
        times = [(one, one.self_device_time_total) for one in kernels]
    else:
        times = [(one, one.self_cpu_time_total) for one in operations]
    times.sort(key=lambda pair: -pair[1])
    total = sum(time for _, time in times) or 1.0
    rows = []
    rest = 0.0
    for one, time in times:
        share = time / total
        if share < 0.01:
            rest += share
        else:
            calls = one.count / _STEPS
            rows.append(_row(contender.name, one.key, calls, share, total))
    rows.append(_row(contender.name, "the rest", "", rest, total))
    return rows


def _row(name: str, operation: str, calls: Any, share: float, total: float) -> list:
    milliseconds = share * total / _STEPS / 1000
    return [name, operation, calls, round(milliseconds, 3), round(share, 4)]
