"""3x3 convolutions with their gradients, by the fastest method for the maps' size.

On maps of a few pixels, one matrix product multiplies each pixel with all taps of the
kernel; an output pixel is the sum of up to nine of these products, one per neighbour.
Larger maps use the library's convolution. Pixels are rows, ordered by map, then line.
"""

from functools import lru_cache
from typing import Protocol

import torch

from kerasnets.engines.torch_graph.matrix_product import outer_products, product
from kerasnets.engines.torch_graph.values import pixel_rows, store

# Looked up once, as the lookup takes as long as a small convolution.
_CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward.default

# Maps with at least this many pixels use the library (docs/performance.md).
_LIBRARY_PIXELS = 16


class SameConvolution(Protocol):
    """A convolution with kernel [3, 3, I, O], stride 1 and padding 1, for maps of a
    fixed size. Autograd is not supported."""

    def store(self, kernel: torch.Tensor) -> None:
        """Store a kernel in the memory order used here. Its shape and values do not
        change."""

    def read(self, kernel: torch.Tensor) -> torch.Tensor:
        """A view of a stored kernel, for the methods below."""

    def used(self, kernel: torch.Tensor) -> torch.Tensor:
        """A contiguous view of the taps that meet a pixel: all of them, or on maps of
        one pixel the central one, [I, O]."""

    def __call__(self, x: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """x [pixels, I] -> [pixels, O]."""

    def gradients(
        self, grad: torch.Tensor, x: torch.Tensor, read: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradients of the input, [pixels, I], and of the kernel in the form of
        `used`, from the output's gradient [pixels, O]."""


@lru_cache(maxsize=32)
def same_convolution(count: int, height: int, width: int) -> SameConvolution:
    """The convolution for `count` maps of one size, cached."""
    if height == width == 1:
        return _OnePixel()
    if height * width < _LIBRARY_PIXELS:
        return _PixelTaps(count, height, width)
    return _Library(count, height, width)


class _OnePixel:
    def store(self, kernel):
        store(kernel, (0, 1, 2, 3))

    def read(self, kernel):
        return kernel[1, 1]

    def used(self, kernel):
        return kernel[1, 1]

    def __call__(self, x, read):
        return product(x, read)

    def gradients(self, grad, x, read):
        return product(grad, read.t()), outer_products(x, grad)


class _PixelTaps:
    def __init__(self, count: int, height: int, width: int) -> None:
        self._pixels = count * height * width
        rows = torch.arange(height)[:, None, None, None] + torch.arange(-1, 2)[:, None]
        columns = torch.arange(width)[:, None, None] + torch.arange(-1, 2)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        # [images, pixels of a map, taps]
        inside = inside.view(-1, 9).expand(count, -1, -1)
        first = height * width * torch.arange(count)[:, None, None]
        pixel = (rows * width + columns).view(-1, 9) + first
        # For each tap of an output pixel, the row of the neighbour's product with it.
        products = (pixel * 9 + torch.arange(9))[inside]
        per_pixel = inside.sum(-1).flatten()
        self._products = products.to(torch.int32)
        self._begins = (per_pixel.cumsum(0) - per_pixel).to(torch.int32)
        # An input pixel meets tap (i, j) at the opposite output pixel or, if there is
        # none, at a row of zeros after all pixels.
        self._outputs = torch.where(
            inside.flip(-1), pixel.flip(-1), torch.tensor(self._pixels)
        ).flatten()

    def store(self, kernel):
        store(kernel, (2, 0, 1, 3))

    def read(self, kernel):
        return kernel.permute(2, 0, 1, 3).view(kernel.shape[2], -1)

    def used(self, kernel):
        return kernel.permute(2, 0, 1, 3)

    def __call__(self, x, read):
        products = product(x, read).view(9 * self._pixels, -1)
        added_up = 0
        return torch.embedding_bag(
            products, self._products, self._begins, False, added_up
        )[0]

    def gradients(self, grad, x, read):
        behind = torch.cat([grad, grad.new_zeros(1, grad.shape[1])])
        met = behind.index_select(0, self._outputs).view(self._pixels, -1)
        to_kernel = outer_products(x, met).view(-1, 3, 3, grad.shape[1])
        return product(met, read.t()), to_kernel


class _Library:
    def __init__(self, count: int, height: int, width: int) -> None:
        self._size = (count, height, width, -1)

    def store(self, kernel):
        store(kernel, (3, 0, 1, 2))

    def read(self, kernel):
        return kernel.permute(3, 2, 0, 1)

    def used(self, kernel):
        return kernel.permute(3, 0, 1, 2)

    def __call__(self, x, read):
        return pixel_rows(torch.conv2d(self._images(x), read, None, 1, 1))

    def gradients(self, grad, x, read):
        to_x, to_kernel, _ = _CONVOLUTION_BACKWARD(
            *(self._images(grad), self._images(x), read),
            *(None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1, (True, True, False)),
        )
        return pixel_rows(to_x), to_kernel.permute(0, 2, 3, 1)

    def _images(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.view(self._size).permute(0, 3, 1, 2)
