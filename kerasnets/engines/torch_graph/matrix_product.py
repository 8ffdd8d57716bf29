"""Matrix products by the faster of two CPU libraries.

PyTorch multiplies float32 matrices with MKL, which uses AVX-512 on Intel processors
only. oneDNN, which PyTorch uses for convolutions, supports it on AMD too and is about
twice as fast there (docs/performance.md). The choice depends only on the processor and
the shapes, so that a machine always computes the same bits. Autograd is not supported.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch

# For fewer rows, reordering the other matrix does not pay off.
_ROWS = 8
# Larger products are computed in parts, as their memory would be newly mapped by the
# system each time.
_PART = 1 << 20
# From this number of rows on, a convolution's gradient is as fast as a product.
_MANY_ROWS = 1024


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [M, K] @ b [K, N] -> [M, N]."""
    if _onednn(a):
        return _linear()(a, _dense(b), None, "none", [], "")
    return a @ b


def biased_relu(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """max(a [M, K] @ b [K, N] + bias [N], 0) -> [M, N], for a `packed` b."""
    if b.is_mkldnn or _onednn(a):
        b = b if b.is_mkldnn else _dense(b)
        return _linear()(a, b, bias, "relu", [], "")
    return torch.addmm(bias, a, b).relu_()


def packed(b: torch.Tensor) -> torch.Tensor:
    """b [K, N] for `biased_relu`, in the layout in which oneDNN reads it if that is
    faster. torch.compile does not support these layouts."""
    faster = _ONEDNN_HAS_BFLOAT16 if b.dtype is torch.bfloat16 else _onednn(b)
    if faster and b.is_cpu and not torch.compiler.is_compiling():
        return torch.ops.mkldnn._reorder_linear_weight(b.t().contiguous())
    return b


def write_product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """out[...] = a @ b, for any dtype of `out`."""
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
    # A product would copy the transposed a. The result is also the kernel's gradient of
    # a 1x1 convolution from b to a, which needs no copy: of one image with a single
    # line, in channels-last memory.
    grad, x = (
        rows.view(1, 1, -1, rows.shape[1]).permute(0, 3, 1, 2) for rows in (a, b)
    )
    kernel = a.new_empty(a.shape[1], b.shape[1], 1, 1)  # only the shape matters
    found = torch.ops.aten.convolution_backward.default(
        *(grad, x, kernel, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1),
        (False, True, False),
    )
    return found[1][:, :, 0, 0]


def _dense(b: torch.Tensor) -> torch.Tensor:
    """b [K, N] as a layer's weights [N, K]. It is copied if it is part of a wider
    matrix, for which oneDNN falls back to its reference implementation, a thousand
    times slower."""
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


def _has_onednn() -> bool:
    """Whether oneDNN's products can be called, with AVX-512 as where they were
    measured."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


def _is_onednn_faster() -> bool:
    return _has_onednn() and torch.backends.mkl.is_available() and not _is_intel()


def _has_onednn_bfloat16() -> bool:
    return _has_onednn() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _is_intel() -> bool:
    """Whether the processor is Intel's or unknown."""
    with contextlib.suppress(OSError):
        return "AuthenticAMD" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return True


# At import time, as these calls would break torch.compile's graph.
_ONEDNN_IS_FASTER = _is_onednn_faster()
_ONEDNN_HAS_BFLOAT16 = _has_onednn_bfloat16()
