"""Memory that is free for this process."""

import math
import os
from pathlib import Path

from kerasnets.compute import control_groups


def free_memory() -> float:
    """Bytes that can be allocated without swapping, within the limits of a container;
    infinite if unknown."""
    return min(_of_the_machine(), control_groups.free_memory())


def _of_the_machine() -> float:
    for line in control_groups.lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    return math.inf
