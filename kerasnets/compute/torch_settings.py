"""Settings of PyTorch for the duration of a run."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fast_math() -> Iterator[None]:
    """float32 products in TF32 (10 bits of mantissa, accumulated in float32), and
    cuDNN's fastest algorithm for each shape, found by trial; restored afterwards."""
    before = (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
    )
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
        torch.backends.cudnn.benchmark = before[2]


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
# Blocks below the first, the largest that glibc takes, come from memory of which up to
# the second stays when it is free.
_MMAP_BYTES, _TRIM_BYTES = 32 << 20, 256 << 20


def keep_freed_memory() -> bool:
    """Make the process keep freed memory from now on, unless the user's environment
    configures allocation.

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
