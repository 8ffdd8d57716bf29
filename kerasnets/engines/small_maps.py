"""Convolutions on maps of a few pixels, as matrix products.

On a 1x1 map eight of the nine taps of a padded 3x3 kernel only ever meet padding; on
2x2 and 3x3 maps many do. A convolution library computes them all the same, at a small
fraction of the speed that it reaches on large maps. Here each output pixel is the sum
of one matrix product for each row of the kernel, over just those taps of the row whose
input pixel exists: they lie side by side in memory, in the kernel as in the map.
Results and gradients are the convolution's.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from kerasnets.engines.matrix_product import add_product, write_product


@dataclass(frozen=True)
class Part:
    """Input pixels times taps of one kernel row, a part of one output pixel.

    Attributes:
        target: the output pixel, (row, column).
        row, columns: the input pixels.
        tap_row, tap_columns: the taps of the kernel.
        first: it is the first part of its output pixel.
    """

    target: tuple[int, int]
    row: int
    columns: slice
    tap_row: int
    tap_columns: slice
    first: bool

    def pixels(self, x: torch.Tensor) -> torch.Tensor:
        """Of a map [N, H, W, I], the input pixels side by side, a view [N, P * I]."""
        return x[:, self.row, self.columns].view(len(x), -1)

    def taps(self, kernel: torch.Tensor) -> torch.Tensor:
        """Of a kernel [k, k, I, O], the taps one below the other, a view [P * I, O]."""
        return kernel[self.tap_row, self.tap_columns].view(-1, kernel.shape[-1])


class SmallMapConv(torch.autograd.Function):
    """Square convolution with odd kernel k, padding k // 2 and any stride.

    Inputs:
        x: [N, H, W, I], contiguous.
        kernel: [k, k, I, O], contiguous, as Keras stores it, of any floating type.
        stride: same for both directions.
        keep: None, or a list of one tensor of the kernel's type that takes its gradient
            in place of the kernel's own: [k, k, I, O], or [I, O] for the one tap where
            a single one meets the map.
    Output: [N, ceil(H / stride), ceil(W / stride), O], of x's type.
    """

    @staticmethod
    def forward(ctx, x, kernel, stride, keep):
        count, height, width, _ = x.shape
        ctx.save_for_backward(x, kernel)
        ctx.parts = parts(height, width, kernel.shape[0], stride)
        ctx.keep = keep
        kernel = kernel.to(x.dtype)
        size = (count, -(-height // stride), -(-width // stride), kernel.shape[3])
        out = x.new_empty(size)
        for part in ctx.parts:
            place = out[:, *part.target]
            write = write_product if part.first else add_product
            write(part.pixels(x), part.taps(kernel), place)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, kernel = ctx.saved_tensors
        want_x, want_kernel = ctx.needs_input_grad[:2]
        taps = kernel.to(x.dtype)
        grad_x = torch.zeros_like(x) if want_x else None
        if grad_x is not None:
            for part in ctx.parts:
                out = grad[:, *part.target]
                add_product(out, part.taps(taps).t(), part.pixels(grad_x))
        grad_kernel = None
        if want_kernel and ctx.keep is not None and ctx.keep[0].dim() == 2:
            (part,) = ctx.parts
            out = grad[:, *part.target]
            write_product(part.pixels(x).t(), out, ctx.keep[0])
        elif want_kernel:
            same = ctx.keep is not None and kernel.dtype == x.dtype
            whole = ctx.keep[0].zero_() if same else torch.zeros_like(taps)
            for part in ctx.parts:
                out = grad[:, *part.target]
                add_product(part.pixels(x).t(), out, part.taps(whole))
            if ctx.keep is None:
                grad_kernel = whole.to(kernel.dtype)
            elif not same:
                ctx.keep[0].copy_(whole)
        return grad_x, grad_kernel, None, None


@lru_cache(maxsize=256)
def parts(height: int, width: int, size: int, stride: int) -> tuple[Part, ...]:
    """What a convolution of a map consists of, output pixel by output pixel."""
    center = size // 2
    found = []
    for row in range(-(-height // stride)):
        for column in range(-(-width // stride)):
            left = column * stride - center
            taps = slice(max(0, -left), min(size, width - left))
            columns = slice(taps.start + left, taps.stop + left)
            first = True
            for tap_row in range(size):
                source = row * stride + tap_row - center
                if 0 <= source < height:
                    found.append(
                        Part((row, column), source, columns, tap_row, taps, first)
                    )
                    first = False
    return tuple(found)


def only_tap(height: int, width: int, size: int, stride: int) -> tuple[int, int] | None:
    """The one tap of a kernel that meets a map, where there is but one."""
    met = {
        (part.tap_row, column)
        for part in parts(height, width, size, stride)
        for column in range(part.tap_columns.start, part.tap_columns.stop)
    }
    return met.pop() if len(met) == 1 else None
