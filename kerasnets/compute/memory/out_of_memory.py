"""Uniform out-of-memory errors, which every backend reports differently."""

import contextlib
from collections.abc import Iterator

from kerasnets.errors import KerasnetsError, OutOfMemory, option

# From PyTorch on CPU and accelerators, XLA (jax, tensorflow), TensorFlow's own
# operations, and NVIDIA's libraries (CUBLAS_STATUS_ALLOC_FAILED,
# CUDNN_STATUS_ALLOC_FAILED).
_PHRASES = (
    *("can't allocate memory", "out of memory", "resource_exhausted"),
    *("oom when allocating", "status_alloc_failed"),
)


@contextlib.contextmanager
def explained(batch_size: int, note: str = "") -> Iterator[None]:
    """Turn a backend's out-of-memory error in the block into one line.

    Args:
        batch_size: images in a step; half of it is suggested.
        note: a remark on the smaller batch.

    Raises:
        OutOfMemory: the block ran out of the processor's or accelerator's memory.
    """
    try:
        yield
    except KerasnetsError:  # explained already
        raise
    except Exception as error:  # TensorFlow's is no RuntimeError
        text = str(error).lower()
        if not isinstance(error, MemoryError) and not any(p in text for p in _PHRASES):
            raise
        if batch_size > 1:
            smaller = option("batch_size", batch_size // 2)
            advice = f"{smaller} may fit{note and '; '}{note}."
        else:
            advice = "a smaller network or smaller images may fit."
        raise OutOfMemory(
            f"out of memory at batch size {batch_size}; {advice}"
        ) from error
