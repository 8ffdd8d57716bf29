"""3x3 convolutions of maps with their gradients, by what is fastest for their size.

On maps of a few pixels each pixel is multiplied with all taps of the kernel in one
matrix product; an output pixel is then the sum of up to nine of these products, each
from another neighbour. Larger maps are left to the library's convolution. Pixels are
rows, map by map and line by line.
"""

from functools import lru_cache
from typing import Protocol

import torch

from kerasnets.engines.torch_graph.matrix_product import outer_products, product
from kerasnets.engines.torch_graph.values import pixel_rows, store

# Named once: looking it up takes as long as a small one of them.
_CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward.default

# Maps of so many pixels are the library's (docs/performance.md).
_LIBRARY_PIXELS = 16


class SameConvolution(Protocol):
    """A convolution with kernel [3, 3, I, O], stride 1 and padding 1, of maps of one
    size. No gradients are recorded."""

    def store(self, kernel: torch.Tensor) -> None:
        """Keep a kernel's values in the memory order in which they are read here. Its
        shape stays."""

    def read(self, kernel: torch.Tensor) -> torch.Tensor:
        """A view of a kernel that was stored, as the methods below take it."""

    def used(self, kernel: torch.Tensor) -> torch.Tensor:
        """A contiguous view of what ever meets a pixel: all, or on maps of one pixel
        the central tap, [I, O]."""

    def __call__(self, x: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """x [pixels, I] -> [pixels, O]."""

    def gradients(
        self, grad: torch.Tensor, x: torch.Tensor, read: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """From the output's gradient [pixels, O], the input's [pixels, I] and the
        kernel's in the form of `used`."""


@lru_cache(maxsize=32)
def same_convolution(count: int, height: int, width: int) -> SameConvolution:
    """The convolution of `count` maps of one size, made once."""
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
        # Tap by tap of an output pixel, the row of its neighbour's product with it.
        products = (pixel * 9 + torch.arange(9))[inside]
        per_pixel = inside.sum(-1).flatten()
        self._products = products.to(torch.int32)
        self._begins = (per_pixel.cumsum(0) - per_pixel).to(torch.int32)
        # An input pixel meets tap (i, j) at the output pixel on the other side; where
        # there is none, at a row of zeros behind them all.
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
