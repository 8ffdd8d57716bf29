"""The library's convolution, with gradients in the memory order of its operands."""

import torch

from kerasnets.engines.torch_graph.convolution.kernel_gradient import (
    kernel_gradient,
    suits,
)


class Convolution(torch.autograd.Function):
    """Two-dimensional convolution with symmetric padding.

    Incoming gradients may be slices of a concatenation's gradient. For these, the
    library returns the kernel's gradient in a memory order other than the kernel's,
    which would require an additional copy for the accumulation.

    Inputs:
        x: [N, I, H, W] in channels-last memory.
        kernel: [h, w, I, O] in the memory order of [O, h, w, I], of any floating type.
        bias: [O] or None, of x's type.
        stride, padding: (rows, columns).
        keep: None, or a `KeptGradient` that receives the kernel's gradient instead of
            `.grad`.
    Output: [N, O, H', W'], in x's dtype.
    """

    @staticmethod
    def forward(ctx, x, kernel, bias, stride, padding, keep):
        weight = kernel.to(x.dtype).permute(3, 2, 0, 1)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.keep = stride, padding, keep
        ctx.dtype = kernel.dtype
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        return torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        wanted = ctx.needs_input_grad[:3]
        own = wanted[1] and suits(x, weight, ctx.stride, ctx.padding)
        # With either of them, the library computes the gradients of kernel and bias.
        asked = [wanted[0], wanted[1] and not own, wanted[2] and not own]
        grad_x, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad,
            x,
            weight,
            ctx.bias_sizes,
            ctx.stride,
            ctx.padding,
            (1, 1),
            False,
            (0, 0),
            1,
            asked,
        )
        if own:
            grad_weight = kernel_gradient(grad, x)
            grad_bias = grad.sum((0, 2, 3)) if wanted[2] else None
        grad_kernel = None
        if wanted[1]:
            grad_kernel = grad_weight.permute(2, 3, 1, 0).to(ctx.dtype)
            if ctx.keep is not None:
                ctx.keep.take([grad_kernel])
                grad_kernel = None
        return grad_x, grad_kernel, grad_bias, None, None, None
