"""Convolutions on maps of a few pixels, as matrix products.

On a 1x1 map eight of the nine taps of a padded 3x3 kernel only ever meet padding; on
2x2 and 3x3 maps many do. A convolution library computes them all the same, at a small
fraction of the speed that it reaches on large maps. Here each tap is one matrix product
over just the pixels whose neighbor exists. Results and gradients are the convolution's.
"""

import torch


class SmallMapConv(torch.autograd.Function):
    """Square convolution with odd kernel k, padding k // 2 and any stride.

    Inputs:
        x: [N, H, W, I], contiguous.
        kernel: [k, k, I, O], as Keras stores it, of any floating type.
        stride: same for both directions.
        keep: a tensor [I, O] for each tap that meets the map, which takes the tap's
            gradient in place of the kernel's own; or None.
    Output: [N, ceil(H / stride), ceil(W / stride), O], of x's type.
    """

    @staticmethod
    def forward(ctx, x, kernel, stride, keep):
        ctx.save_for_backward(x, kernel)
        ctx.taps = list(taps(x.shape[1], x.shape[2], kernel.shape[0], stride))
        ctx.stride, ctx.keep = stride, keep
        channels, filters = kernel.shape[2:]
        height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
        # The first, central tap reaches every output pixel.
        (tap, source, _), *others = ctx.taps
        out = x[:, *source].reshape(-1, channels) @ kernel[tap].to(x.dtype)
        out = out.view(-1, height, width, filters)
        for tap, source, target in others:
            product = x[:, *source].reshape(-1, channels) @ kernel[tap].to(x.dtype)
            place = out[:, *target]
            place += product.view(place.shape)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, kernel = ctx.saved_tensors
        size, _, channels, filters = kernel.shape
        want_x, want_kernel = ctx.needs_input_grad[:2]
        keep = ctx.keep if want_kernel else None
        grad_x = grad_kernel = None
        if want_kernel and keep is None:
            # Taps outside of every map keep their zero gradient.
            whole = len(ctx.taps) == size * size
            grad_kernel = (torch.empty_like if whole else torch.zeros_like)(kernel)
            keep = [grad_kernel[tap] for tap, _, _ in ctx.taps]
        for index, (tap, source, target) in enumerate(ctx.taps):
            out = grad[:, *target].reshape(-1, filters)
            if want_x:
                product = out @ kernel[tap].to(x.dtype).t()
                if index == 0 and ctx.stride == 1:  # reaches every input pixel
                    grad_x = product.view(x.shape)
                else:
                    grad_x = torch.zeros_like(x) if grad_x is None else grad_x
                    place = grad_x[:, *source]
                    place += product.view(place.shape)
            if keep is not None:
                patch = x[:, *source].reshape(-1, channels)
                write_product(patch.t(), out, keep[index])
        return grad_x, grad_kernel, None, None


def write_product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """out[...] = a @ b, whatever the type of `out`."""
    if out.dtype == a.dtype:
        torch.mm(a, b, out=out)
    else:
        out.copy_(a @ b)


def taps(height: int, width: int, size: int, stride: int):
    """Kernel taps that meet the map, the central one first.

    Yields:
        ((u, v), source, target): the tap, and the slices of input pixels and of output
        pixels that it connects, each a pair (rows, columns).
    """
    center = size // 2
    order = sorted(
        ((u, v) for u in range(size) for v in range(size)),
        key=lambda tap: tap != (center, center),
    )
    for u, v in order:
        rows = _line(height, u - center, stride)
        columns = _line(width, v - center, stride)
        if rows and columns:
            yield (u, v), (rows[0], columns[0]), (rows[1], columns[1])


def _line(length: int, offset: int, stride: int) -> tuple[slice, slice] | None:
    """Input and output positions along one axis that a tap `offset` from the center
    connects: input = output * stride + offset."""
    outputs = -(-length // stride)
    first = max(0, -(offset // stride))
    last = min(outputs - 1, (length - 1 - offset) // stride)
    if last < first:
        return None
    begin = first * stride + offset
    end = last * stride + offset
    return slice(begin, end + 1, stride), slice(first, last + 1)
