"""Convolutions on maps of a few pixels, as matrix products.

On a 1x1 map, eight of the nine taps of a padded 3x3 kernel meet only padding; on 2x2
and 3x3 maps many do. A convolution library computes them nevertheless. Here each tap is
one matrix product with the pixels (of all maps) that it meets, and an output pixel is
the sum of its taps' products. Results and gradients equal the convolution's.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from kerasnets.engines.torch_graph.matrix_product import outer_products, product


@dataclass(frozen=True)
class Tap:
    """One tap of a kernel, and the pixels that it connects.

    Attributes:
        place: position in the kernel, (row, column).
        inputs, outputs: rows and columns of the input pixels that it meets, and of the
            corresponding output pixels.
    """

    place: tuple[int, int]
    inputs: tuple[slice, slice]
    outputs: tuple[slice, slice]


class SmallMapConv(torch.autograd.Function):
    """Square convolution with odd kernel size k, padding k // 2 and any stride.

    Inputs:
        x: [N, H, W, I].
        kernel: [k, k, I, O], contiguous, as Keras stores it, of any floating type.
        stride: same for both directions.
        keep: None, or a `KeptGradient` with a part [I, O] for each of `taps`, that
            receives the gradient instead of `.grad`.
    Output: [N, ceil(H / stride), ceil(W / stride), O], contiguous, of x's type.
    """

    @staticmethod
    def forward(ctx, x, kernel, stride, keep):
        count, height, width, _ = x.shape
        # torch.compile computes them once, and warns of a cache.
        found = _taps if torch.compiler.is_compiling() else taps
        ctx.taps = found(height, width, kernel.shape[0], stride)
        ctx.keep = keep
        size = (count, -(-height // stride), -(-width // stride), kernel.shape[3])
        weights = [kernel[tap.place].to(x.dtype) for tap in ctx.taps]
        ctx.save_for_backward(x, kernel, *weights)
        # The first tap meets every output pixel.
        out = product(_rows(x, ctx.taps[0].inputs), weights[0]).view(size)
        for tap, weight in zip(ctx.taps[1:], weights[1:], strict=True):
            part = product(_rows(x, tap.inputs), weight)
            place = out[:, *tap.outputs]
            place.add_(part.view(place.shape))
        return out

    @staticmethod
    def backward(ctx, grad):
        x, kernel, *weights = ctx.saved_tensors
        want_x, want_kernel = ctx.needs_input_grad[:2]
        grad_x = torch.zeros_like(x) if want_x else None
        grad_kernel, kept = None, []
        if want_kernel and ctx.keep is None:
            grad_kernel = torch.zeros_like(kernel)
        for tap, weight in zip(ctx.taps, weights, strict=True):
            to_output = _rows(grad, tap.outputs)
            if grad_x is not None:
                place = grad_x[:, *tap.inputs]
                part = product(to_output, weight.t())
                place.add_(part.view(place.shape))
            if want_kernel:
                to_tap = outer_products(_rows(x, tap.inputs), to_output)
                if grad_kernel is None:
                    kept.append(to_tap.to(kernel.dtype))
                else:
                    grad_kernel[tap.place] = to_tap
        if kept:
            ctx.keep.take(kept)
        return grad_x, grad_kernel, None, None


def _taps(height: int, width: int, size: int, stride: int) -> tuple[Tap, ...]:
    """The taps that meet at least one pixel of a map, the central one first."""
    center = size // 2
    found = []
    for place in sorted(
        ((row, column) for row in range(size) for column in range(size)),
        key=lambda place: place != (center, center),
    ):
        rows = _met(height, place[0] - center, stride)
        columns = _met(width, place[1] - center, stride)
        if rows and columns:
            found.append(Tap(place, (rows[0], columns[0]), (rows[1], columns[1])))
    return tuple(found)


taps = lru_cache(maxsize=256)(_taps)


def _met(extent: int, shift: int, stride: int) -> tuple[slice, slice] | None:
    """Along one axis, the input pixels that a tap meets and their output pixels."""
    outputs = range(-(-extent // stride))
    inside = [one for one in outputs if 0 <= one * stride + shift < extent]
    if not inside:
        return None
    first, last = inside[0], inside[-1]
    inputs = slice(first * stride + shift, last * stride + shift + 1, stride)
    return inputs, slice(first, last + 1)


def _rows(maps: torch.Tensor, pixels: tuple[slice, slice]) -> torch.Tensor:
    """The selected pixels of maps [N, H, W, C] as rows [N * pixels, C]."""
    return maps[:, *pixels].reshape(-1, maps.shape[-1])
