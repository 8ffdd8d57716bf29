"""Memory for a dense block's intermediate results."""

from collections.abc import Sequence
from typing import Any

import torch

from kerasnets.engines.torch_graph.values import parameter


class BlockMemory:
    """Matrices with a row for each pixel, and views of them. The memory is reused, as
    allocating it and creating the views at every step would take a considerable part of
    a small step.

    Args:
        layers: the block's layers, each with Keras's `norm1`, `norm2` and `conv2`.

    Attributes:
        normal: all maps, normalized.
        columns, new: views of `normal` with the input and the output of each layer.
        to_normal, to_columns, to_new: likewise, for gradients.
        sums, sums_of_columns, new_sums: likewise, with one value per map, in the
            parameters' dtype.
        products, products_of_columns, new_products: likewise.
        active: inner maps of each layer after norm and ReLU.
        inner_means, inner_inverse_stds: statistics of the inner maps of each layer.
        read: input of each layer after norm and ReLU, and finally of all maps; these
            share their memory.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._widths = [layer.norm1.gamma.shape[0] for layer in layers]
        self._inner_widths = [layer.norm2.gamma.shape[0] for layer in layers]
        self._growth = layers[0].conv2.filters
        self._parameter = parameter(layers[0].norm1.gamma)
        self._pixels: int | None = None
        self._memory: dict[str, torch.Tensor] = {}

    def fit(self, maps: torch.Tensor) -> None:
        """Resize to the number of pixels and dtype of `maps` [pixels, C]. The content
        may be overwritten."""
        pixels = len(maps)
        if pixels == self._pixels:
            return
        total = self._widths[-1] + self._growth

        def matrix(name: str, columns: int) -> torch.Tensor:
            memory = self._memory.get(name)
            if memory is None or len(memory) < pixels * columns:
                memory = self._memory[name] = maps.new_empty(pixels * columns)
            return memory[: pixels * columns].view(pixels, columns)

        self.normal = matrix("normal", total)
        self.columns, self.new = self._parts(self.normal)
        self.to_normal = matrix("to normal", total)
        self.to_columns, self.to_new = self._parts(self.to_normal)
        self.sums, self.products = self._parameter.new_empty(2, total)
        self.sums_of_columns, self.new_sums = self._parts(self.sums)
        self.products_of_columns, self.new_products = self._parts(self.products)
        self.active = [
            matrix(f"active {index}", width)
            for index, width in enumerate(self._inner_widths)
        ]
        self.inner_means, self.inner_inverse_stds = (
            [self._parameter.new_empty(width) for width in self._inner_widths]
            for _ in range(2)
        )
        widest = matrix("read", total).view(-1)
        self.read = [
            widest[: pixels * width].view(pixels, width)
            for width in (*self._widths, total)
        ]
        self._pixels = pixels

    def _parts(self, maps: torch.Tensor) -> tuple[list, list]:
        """Views with the input and the output of each layer."""
        before = [maps[..., :width] for width in self._widths]
        added = [maps[..., width : width + self._growth] for width in self._widths]
        return before, added
