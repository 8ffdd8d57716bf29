"""How PyTorch computes on a CUDA device while a run lasts."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fast_math() -> Iterator[None]:
    """float32 products in TF32 (10 bits of mantissa, accumulated in float32), and
    cuDNN's fastest algorithm for each shape, found by trial; as before afterwards."""
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
