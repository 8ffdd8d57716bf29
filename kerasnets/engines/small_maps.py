"""3x3 convolutions on maps of a few pixels, as matrix products.

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
        kernel: [k, k, I, O], as Keras stores it.
        stride: same for both directions.
    Output: [N, ceil(H / stride), ceil(W / stride), O].
    """

    @staticmethod
    def forward(ctx, x, kernel, stride):
        ctx.save_for_backward(x, kernel)
        ctx.taps = list(taps(x.shape[1], x.shape[2], kernel.shape[0], stride))
        channels = x.shape[3]
        height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
        out = x.new_empty(x.shape[0], height, width, kernel.shape[3])
        for index, (tap, source, target) in enumerate(ctx.taps):
            product = x[:, *source].reshape(-1, channels) @ kernel[tap]
            place = out[:, *target]
            if index == 0:  # the central tap reaches every output pixel
                place.copy_(product.view(place.shape))
            else:
                place += product.view(place.shape)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, kernel = ctx.saved_tensors
        channels, filters = kernel.shape[2:]
        want_x, want_kernel, _ = ctx.needs_input_grad
        grad_x = torch.zeros_like(x) if want_x else None
        # Taps outside of every map keep their zero gradient.
        grad_kernel = torch.zeros_like(kernel) if want_kernel else None
        for tap, source, target in ctx.taps:
            out = grad[:, *target].reshape(-1, filters)
            if grad_x is not None:
                place = grad_x[:, *source]
                place += (out @ kernel[tap].t()).view(place.shape)
            if grad_kernel is not None:
                patch = x[:, *source].reshape(-1, channels)
                torch.mm(patch.t(), out, out=grad_kernel[tap])
        return grad_x, grad_kernel, None


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
