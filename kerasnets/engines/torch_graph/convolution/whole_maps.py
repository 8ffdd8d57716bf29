"""Convolutions on maps so small that every output pixel depends on every input pixel.

An example is a padded 3x3 kernel on a 2x2 map. Such a convolution is one product of the
maps, as rows, with a matrix of all pixels by all pixels, whose blocks are the kernel's
taps: the same number of multiplications as tap by tap (`small_maps`), in one call. For
enough maps and few enough channels, this outweighs the cost of building the matrix.
"""

import torch

from kerasnets.engines.torch_graph.convolution.small_maps import taps
from kerasnets.engines.torch_graph.matrix_product import outer_products, product

# With fewer maps or larger taps, `small_maps` is faster (docs/performance.md).
_MAPS = 32
_TAP = 256 * 256


def suits(maps: torch.Size, kernel: torch.Size, stride: int) -> bool:
    """Whether `WholeMapConv` is applicable to maps [N, H, W, I], and faster."""
    count, height, width, _ = maps
    size, _, channels, filters = kernel
    everywhere = stride == 1 and max(height, width) <= size // 2 + 1
    return (
        everywhere
        and height * width > 1
        and count >= _MAPS
        and channels * filters <= _TAP
    )


class WholeMapConv(torch.autograd.Function):
    """As `small_maps.SmallMapConv` with stride 1, for maps that `suits` accepts."""

    @staticmethod
    def forward(ctx, x, kernel, keep):
        matrix = spread(kernel.to(x.dtype), *x.shape[1:3])
        ctx.save_for_backward(x, kernel, matrix)
        ctx.keep = keep
        return product(_rows(x), matrix).view(*x.shape[:3], -1)

    @staticmethod
    def backward(ctx, grad):
        x, kernel, matrix = ctx.saved_tensors
        want_x, want_kernel = ctx.needs_input_grad[:2]
        grad_x = grad_kernel = None
        if want_x:
            grad_x = product(_rows(grad), matrix.t()).view(x.shape)
        if want_kernel:
            grad_kernel = torch.zeros_like(kernel)
            pairs = outer_products(_rows(x), _rows(grad))
            collect(pairs, grad_kernel, *x.shape[1:3])
            if ctx.keep is not None:
                met = taps(*x.shape[1:3], kernel.shape[0], 1)
                ctx.keep.take([grad_kernel[tap.place] for tap in met])
                grad_kernel = None
        return grad_x, grad_kernel, None


def spread(kernel: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A kernel [k, k, I, O] as a matrix [height * width * I, height * width * O] from a
    map's values to the output's."""
    channels, filters = kernel.shape[2:]
    matrix = kernel.new_empty(height * width * channels, height * width * filters)
    for block, seen in _blocks(matrix, kernel, height, width):
        block.copy_(seen)
    return matrix


def collect(
    matrix: torch.Tensor, kernel: torch.Tensor, height: int, width: int
) -> None:
    """The adjoint of `spread`: add each block of a matrix to its tap of `kernel`."""
    for block, seen in _blocks(matrix, kernel, height, width):
        seen.add_(block)


def _blocks(matrix, kernel, height: int, width: int):
    """For each output pixel, yield its columns of the matrix and the taps that meet the
    input's pixels, both [height, width, I, O]."""
    size, _, channels, filters = kernel.shape
    columns = matrix.view(height, width, channels, height, width, filters)
    for row in range(height):
        top = size // 2 - row
        for column in range(width):
            left = size // 2 - column
            seen = kernel[top : top + height, left : left + width]
            yield columns[:, :, :, row, column], seen


def _rows(maps: torch.Tensor) -> torch.Tensor:
    return maps.reshape(len(maps), -1)
