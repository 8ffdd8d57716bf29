"""Memory for a dense block's intermediate results."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from kerasnets.engines.torch_graph.values import parameter


class Computed:
    """A block's parameters in the dtype of its maps.

    Args:
        parameters: of the block, as `DenseBlock.parameters`.
        read: `SameConvolution.read`.

    Attributes:
        values: in the order of `parameters`; these themselves if they have the dtype.
        weights, kernels: views of each layer's kernels: [C, B], and for the 3x3
            convolution.
    """

    def __init__(
        self, parameters: list[torch.Tensor], dtype: torch.dtype, read: Callable
    ) -> None:
        self._parameters = [one.detach() for one in parameters]
        self._copied = parameters[0].dtype != dtype
        self.values = self._parameters
        if self._copied:
            self.values = [torch.empty_like(one, dtype=dtype) for one in parameters]
        self.weights = [kernel[0, 0] for kernel in self.values[2:-2:6]]
        self.kernels = [read(kernel) for kernel in self.values[5:-2:6]]

    def refresh(self) -> None:
        """Copy the parameters' present values."""
        if self._copied:
            torch._foreach_copy_(self.values, self._parameters)


class BlockMemory:
    """Matrices with a row for each pixel, and views of them. The memory is reused, as
    allocating it and creating the views at every step would take a considerable part of
    a small step.

    Args:
        layers: the block's layers, each with Keras's `norm1`, `norm2` and `conv2`.
        computed: the block's parameters.

    Attributes:
        normal: all maps, normalized.
        columns, new: views of `normal` with the input and the output of each layer.
        to_normal, to_columns, to_new: likewise, for gradients.
        sums, sums_of_columns: likewise, with one value per map, in the parameters'
            dtype.
        products, products_of_columns: likewise.
        both_of_columns, new_both: likewise, for products and sums as a pair.
        active: inner maps of each layer after norm and ReLU.
        inner_means, inner_inverse_stds: statistics of the inner maps of each layer.
        neutral: zeros and ones for the input of each layer and finally for all maps, in
            the parameters' dtype: mean and inverse standard deviation, or shift and
            scale, of a norm that leaves maps as they are.
        neutral_new: likewise, for the output of a layer.
        read: input of each layer after norm and ReLU; these share their memory.
    """

    def __init__(self, layers: Sequence[Any], computed: Computed) -> None:
        self.computed = computed
        self._widths = [layer.norm1.gamma.shape[0] for layer in layers]
        self._inner_widths = [layer.norm2.gamma.shape[0] for layer in layers]
        self._growth = layers[0].conv2.filters
        self._parameter = parameter(layers[0].norm1.gamma)
        total = self._widths[-1] + self._growth
        zeros = self._parameter.new_zeros(total)
        ones = zeros + 1
        self.neutral = [
            (zeros[:width], ones[:width]) for width in (*self._widths, total)
        ]
        self.neutral_new = zeros[: self._growth], ones[: self._growth]
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
        self.columns, self.new = self.parts(self.normal)
        self.to_normal = matrix("to normal", total)
        self.to_columns, self.to_new = self.parts(self.to_normal)
        both = self._parameter.new_empty(2, total)
        self.both_of_columns, self.new_both = self.parts(both)
        self.products, self.sums = both
        self.products_of_columns, self.sums_of_columns = zip(
            *self.both_of_columns, strict=True
        )
        self.active = [
            matrix(f"active {index}", width)
            for index, width in enumerate(self._inner_widths)
        ]
        self.inner_means, self.inner_inverse_stds = (
            [self._parameter.new_empty(width) for width in self._inner_widths]
            for _ in range(2)
        )
        widest = matrix("read", self._widths[-1]).view(-1)
        self.read = [
            widest[: pixels * width].view(pixels, width) for width in self._widths
        ]
        self._pixels = pixels

    def parts(self, maps: torch.Tensor) -> tuple[list, list]:
        """Views with the input and the output of each layer."""
        before = [maps[..., :width] for width in self._widths]
        added = [maps[..., width : width + self._growth] for width in self._widths]
        return before, added
