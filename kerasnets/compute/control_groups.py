"""Linux control groups, by which containers and job schedulers limit a process."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def cpu_quota() -> float:
    """Processor time of this process's control groups, in cores; infinite without a
    limit."""
    return min(map(_quota_of, _groups("cpu")), default=math.inf)


def free_memory() -> float:
    """Bytes that this process's control groups still allow; infinite without a limit.
    File caches that can be dropped count as free."""
    return min(map(_free_of, _groups("memory")), default=math.inf)


def lines(path: Path) -> list[str]:
    """The lines of a text file; none if it cannot be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").splitlines()
    return []


def _groups(controller: str) -> Iterator[Path]:
    """Folders of this process's groups, parents included, of both versions of control
    groups; some may not exist."""
    for line in lines(Path("/proc/self/cgroup")):
        _, _, place = line.partition(":")
        controllers, _, path = place.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = _ROOT / controllers if controllers else _ROOT
        if controllers and not root.is_dir():
            root = _ROOT / controller
        # In a container, the path is the host's, but the root is its own group.
        here = Path(path.lstrip("/"))
        yield from (root / one for one in (here, *here.parents))


def _quota_of(group: Path) -> float:
    texts = lines(group / "cpu.max") or [
        " ".join(
            line
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            for line in lines(group / name)
        )
    ]
    with contextlib.suppress(ValueError, ZeroDivisionError):  # "max 100000"
        quota, period = map(int, texts[0].split())
        return quota / period if quota > 0 else math.inf
    return math.inf


def _free_of(group: Path) -> float:
    for most, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with contextlib.suppress(IndexError, ValueError):  # no file, or "max"
            limit, current = (int(lines(group / name)[0]) for name in (most, used))
            statistics = dict(map(str.split, lines(group / "memory.stat")))
            return max(0, limit - current + int(statistics.get(cached, 0)))
    return math.inf
