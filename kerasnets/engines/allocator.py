"""Keep freed memory in the process, where glibc allocates it.

A training step frees and fetches the same blocks of some megabytes again and again.
glibc hands them back to the system in between, which fills them with zeros anew, page
by page: up to a tenth of a step. Its thresholds grow with what a process frees, so that
how much depends on what happened to run before.
"""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
# Blocks below the first, the largest that glibc takes, come from memory of which up to
# the second stays when it is free.
_MMAP_BYTES, _TRIM_BYTES = 32 << 20, 256 << 20


def keep_freed_memory() -> bool:
    """Have the process keep freed memory, from now to its end, unless the user's
    environment says how to allocate.

    Returns:
        Whether it does; False where another library than glibc allocates.
    """
    named = any(name.startswith("MALLOC_") for name in os.environ)
    if named or "GLIBC_TUNABLES" in os.environ or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        and mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
    )
