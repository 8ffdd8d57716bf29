"""Settings that make PyTorch faster."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator


@contextlib.contextmanager
def fast_math() -> Iterator[None]:
    """Enable TF32 for float32 products (10 bits of mantissa, accumulated in float32)
    and cuDNN's search for the fastest algorithm per shape; restore the settings
    afterwards."""
    import torch  # seconds, which `keep_freed_memory` need not wait for

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
# Blocks smaller than the first (glibc's maximum) come from the heap, which keeps up to
# the second when freed.
_MMAP_BYTES, _TRIM_BYTES = 32 << 20, 256 << 20


def keep_freed_memory() -> bool:
    """Make malloc keep freed memory from now on, unless the user's environment
    configures it.

    Returns:
        Whether it does; False if the C library is not glibc.
    """
    named = any(name.startswith("MALLOC_") for name in os.environ)
    if named or "GLIBC_TUNABLES" in os.environ or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        and mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
    )
