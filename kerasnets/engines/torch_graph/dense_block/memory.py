"""Memory for a dense block's intermediate results."""

from collections.abc import Sequence
from typing import Any

import torch


class BlockMemory:
    """Matrices with a row for each pixel, and views of them, for one number of pixels
    at a time. The memory stays: fetching it anew from the system at every step, and
    making the views, takes a good part of a small step.

    Args:
        layers: the block's, each with `norm1`, `norm2` and `conv2` of Keras.

    Attributes:
        normal: all maps, normalized.
        columns, new: of `normal`, what each layer reads, and what it adds.
        to_normal, to_columns, to_new: likewise, gradients.
        sums, sums_of_columns, new_sums: likewise, a value for each map.
        products, products_of_columns, new_products: likewise.
        active: of each layer, its inner maps after norm and ReLU.
        inner_means, inner_inverse_stds: of each layer, statistics of its inner maps.
        read: of each layer, what it reads after norm and ReLU; at last the same for all
            maps. They share their memory.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._widths = [layer.norm1.gamma.shape[0] for layer in layers]
        self._inner_widths = [layer.norm2.gamma.shape[0] for layer in layers]
        self._growth = layers[0].conv2.filters
        self._pixels: int | None = None
        self._memory: dict[str, torch.Tensor] = {}

    def fit(self, maps: torch.Tensor) -> None:
        """Be of as many pixels as `maps` [pixels, C], and of their type. What is held
        may be overwritten."""
        pixels = len(maps)
        if pixels == self._pixels:
            return
        total = self._widths[-1] + self._growth

        def matrix(name: str, columns: int, rows: int = pixels) -> torch.Tensor:
            memory = self._memory.get(name)
            if memory is None or len(memory) < rows * columns:
                memory = self._memory[name] = maps.new_empty(rows * columns)
            return memory[: rows * columns].view(rows, columns)

        self.normal = matrix("normal", total)
        self.columns, self.new = self._parts(self.normal)
        self.to_normal = matrix("to normal", total)
        self.to_columns, self.to_new = self._parts(self.to_normal)
        self.sums, self.products = matrix("sums", total, 2)
        self.sums_of_columns, self.new_sums = self._parts(self.sums)
        self.products_of_columns, self.new_products = self._parts(self.products)
        self.active = [
            matrix(f"active {index}", width)
            for index, width in enumerate(self._inner_widths)
        ]
        self.inner_means, self.inner_inverse_stds = (
            [maps.new_empty(width) for width in self._inner_widths] for _ in range(2)
        )
        widest = matrix("read", total).view(-1)
        self.read = [
            widest[: pixels * width].view(pixels, width)
            for width in (*self._widths, total)
        ]
        self._pixels = pixels

    def _parts(self, maps: torch.Tensor) -> tuple[list, list]:
        """What each layer reads, and what it adds."""
        before = [maps[..., :width] for width in self._widths]
        added = [maps[..., width : width + self._growth] for width in self._widths]
        return before, added
