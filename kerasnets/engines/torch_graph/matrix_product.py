"""Matrix products by the faster of two libraries on a CPU.

PyTorch multiplies float32 matrices by MKL, which uses AVX-512 on Intel's processors
alone; oneDNN, which PyTorch has for convolutions, uses it on AMD's too and is about
twice as fast there (docs/performance.md). Which one it is depends on the processor and
the shapes, so that the same machine gives the same bits. No gradients are recorded.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch

# Fewer rows are not worth the reordering of the other matrix.
_ROWS = 8
# A product of more values is made in parts: its memory would come fresh from the
# system each time.
_PART = 1 << 20
# With so many a convolution's gradient is as fast as a product.
_MANY_ROWS = 1024


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [M, K] @ b [K, N] -> [M, N]."""
    if _onednn(a):
        return _linear()(a, _dense(b), None, "none", [], "")
    return a @ b


def biased_relu(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """max(a [M, K] @ b [K, N] + bias [N], 0) -> [M, N]."""
    if _onednn(a):
        return _linear()(a, _dense(b), bias, "relu", [], "")
    return torch.addmm(bias, a, b).relu_()


def write_product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """out[...] = a @ b, whatever the type of `out`."""
    if out.dtype != a.dtype:
        out.copy_(a @ b)
    elif not _onednn(a):
        torch.mm(a, b, out=out)
    else:
        rows = max(_ROWS, _PART // out.shape[1])
        for part, into in zip(a.split(rows), out.split(rows), strict=True):
            into.copy_(product(part, b))


def outer_products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [M, A]^T @ b [M, B] -> [A, B]."""
    if len(a) < _MANY_ROWS or not _onednn(a):
        return product(a.t(), b)
    # For a product a would be transposed, which copies it. It is the gradient of the
    # kernel of a 1x1 convolution from b to a, too, for which nothing is copied. Here
    # that is of one image of one line, in channels-last memory.
    grad, x = (
        rows.view(1, 1, -1, rows.shape[1]).permute(0, 3, 1, 2) for rows in (a, b)
    )
    kernel = a.new_empty(a.shape[1], b.shape[1], 1, 1)  # its values do not matter
    found = torch.ops.aten.convolution_backward.default(
        *(grad, x, kernel, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1),
        (False, True, False),
    )
    return found[1][:, :, 0, 0]


def _dense(b: torch.Tensor) -> torch.Tensor:
    """b [K, N] as the weights [N, K] of a layer. For columns of a wider matrix oneDNN
    has only its reference implementation, a thousand times slower."""
    weights = b.t()
    return weights if b.is_contiguous() else weights.contiguous()


def _onednn(a: torch.Tensor) -> bool:
    return (
        a.dtype is torch.float32
        and a.is_cpu
        and a.shape[0] >= _ROWS
        and a.shape[1] >= _ROWS
        and _ONEDNN_IS_FASTER
    )


def _linear() -> Callable[..., torch.Tensor]:
    return torch.ops.mkldnn._linear_pointwise.default


def _is_onednn_faster() -> bool:
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and not _is_intel()
    )


def _is_intel() -> bool:
    """Whether the processor is known to be Intel's, or not known at all."""
    with contextlib.suppress(OSError):
        return "AuthenticAMD" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return True


# Asked here, as torch.compile would interrupt its graph at each of these questions.
_ONEDNN_IS_FASTER = _is_onednn_faster()
