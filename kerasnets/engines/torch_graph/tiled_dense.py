"""A dense layer whose input is a repeated vector.

For a 32x32 image, the input of VGG's first dense layer is 49 copies of one pixel. Their
weights can be summed before the product, and have identical gradients.
"""

import torch

from kerasnets.engines.torch_graph.matrix_product import product, write_product


class RepeatedDense(torch.autograd.Function):
    """Matrix product with `copies` copies of x side by side.

    Inputs:
        x: [N, C].
        kernel: [copies * C, O], of any floating type.
        copies: 1 or more.
        keep: None, or a `KeptGradient` of one part [C, O], that receives the gradient
            of each copy's weights instead of `.grad`.
    Output: [N, O], of x's type.
    """

    @staticmethod
    def forward(ctx, x, kernel, copies, keep):
        weight = add_copies(kernel, copies, x.dtype)
        ctx.save_for_backward(x, weight)
        ctx.copies, ctx.dtype, ctx.keep = copies, kernel.dtype, keep
        return product(x, weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        want_x, want_kernel = ctx.needs_input_grad[:2]
        grad_x = product(grad, weight.t()) if want_x else None
        grad_kernel = None
        if want_kernel and ctx.keep is not None:
            write_product(x.t(), grad, ctx.keep.memory())
            ctx.keep.take([ctx.keep.memory()])
        elif want_kernel:
            grad_kernel = product(x.t(), grad).to(ctx.dtype).repeat(ctx.copies, 1)
        return grad_x, grad_kernel, None, None


def add_copies(kernel: torch.Tensor, copies: int, dtype: torch.dtype) -> torch.Tensor:
    """The weights [C, O] for x that are equivalent to `kernel` for its copies."""
    if copies > 1:
        kernel = kernel.view(copies, -1, kernel.shape[1]).sum(0)
    return kernel.to(dtype)
