"""Gradients of 3x3 kernels on processors that have AVX2 but not AVX-512.

For these, oneDNN computes the gradient of a convolution's kernel with older code than
the convolution itself, and takes two to three times as long on small maps with many
channels. But the gradient is a convolution as well: the output's gradients are its
images, the input's maps its kernels, and both have the batch's images as channels.

The choice depends only on the processor and the shapes, so that a machine always
computes the same bits.
"""

import torch

# The library is faster for fewer images, for fewer input times output channels, or for
# fewer of these per pixel of a map (docs/appendix-performance.md).
_IMAGES = 16
_CHANNELS = 128 * 256
_CHANNELS_PER_PIXEL = 256


def suits(
    x: torch.Tensor,
    weight: torch.Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> bool:
    """Whether `kernel_gradient` is applicable to a convolution of x [N, I, H, W] with
    weight [O, I, h, w], and faster than the library."""
    if not (_LIBRARY_IS_SLOW and x.is_cpu and x.dtype is torch.float32):
        return False
    filters, channels, *size = weight.shape
    pixels = x.shape[2] * x.shape[3]
    return (
        size == [3, 3]
        and tuple(stride) == tuple(padding) == (1, 1)
        and len(x) >= _IMAGES
        and channels * filters >= max(_CHANNELS, _CHANNELS_PER_PIXEL * pixels)
    )


def kernel_gradient(grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The gradient [O, I, 3, 3] of the kernel, in channels-last memory, from the
    output's gradient [N, O, H, W] and the input [N, I, H, W]."""
    images, kernels = (
        one.transpose(0, 1).contiguous(memory_format=torch.channels_last)
        for one in (grad, x)
    )
    # Shifting the gradients instead of the input reverses the taps.
    return torch.conv2d(images, kernels, None, 1, 1).flip(2, 3)


# At import time, as this call would break torch.compile's graph.
_LIBRARY_IS_SLOW = torch.backends.cpu.get_cpu_capability() == "AVX2"
