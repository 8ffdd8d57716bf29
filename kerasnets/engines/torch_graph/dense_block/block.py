"""A dense block as one operation on the CPU.

In training it is `training.TrainedBlock`; in inference, norms are folded into the
following 1x1 convolutions. Parameters, results, gradients and moving statistics equal
those of the block's layers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kerasnets.engines.torch_graph.convolution.library import Convolution
from kerasnets.engines.torch_graph.convolution.lowering import (
    batch_norm,
    scale_and_shift,
)
from kerasnets.engines.torch_graph.dense_block.convolution import same_convolution
from kerasnets.engines.torch_graph.dense_block.memory import BlockMemory, Computed
from kerasnets.engines.torch_graph.dense_block.training import TrainedBlock
from kerasnets.engines.torch_graph.kept_gradients import KeptGradient, KeptGradients
from kerasnets.engines.torch_graph.matrix_product import biased_relu, packed
from kerasnets.engines.torch_graph.values import (
    Context,
    dtype_of,
    images_of,
    parameter,
    pixel_rows,
    store,
)
from kerasnets.engines.torch_graph.weight_cache import Derived

# A norm with a smaller scale is constant in x.
_NO_SCALE = 1e-20


@dataclass(frozen=True)
class DenseLayer:
    """The Keras layers of one dense layer: batch norm, ReLU, 1x1 convolution, batch
    norm, ReLU, 3x3 convolution; the output is concatenated to the input."""

    norm1: Any
    conv1: Any
    norm2: Any
    conv2: Any

    def parameters(self) -> list[torch.Tensor]:
        """Scale [C], shift [C], kernel [1, 1, C, B], scale [B], shift [B], kernel
        [3, 3, B, G]."""
        return [
            parameter(self.norm1.gamma),
            parameter(self.norm1.beta),
            parameter(self.conv1.kernel),
            parameter(self.norm2.gamma),
            parameter(self.norm2.beta),
            parameter(self.conv2.kernel),
        ]


class DenseBlock:
    """The layers of a block, and the batch norm and ReLU after their concatenation.

    It maps images [N, C, H, W] in channels-last memory to [N, C + L * G, H, W], for L
    layers that add G maps each.

    Args:
        layers: the layers. Their convolutions have no bias, and their first norms have
            the same epsilon as `norm`.
        norm: the final batch norm.
        height, width: of the maps.
    """

    def __init__(
        self, layers: Sequence[DenseLayer], norm: Any, height: int, width: int
    ) -> None:
        self.layers = list(layers)
        self.norm = norm
        self.epsilon = norm.epsilon
        self.growth = self.layers[0].conv2.filters
        self.parameters = [p for layer in self.layers for p in layer.parameters()]
        self.parameters += [parameter(norm.gamma), parameter(norm.beta)]
        self.convolution = same_convolution(1, height, width)
        for layer in self.layers:
            # In the memory order of its gradient.
            store(parameter(layer.conv1.kernel), (0, 1, 3, 2))
            self.convolution.store(parameter(layer.conv2.kernel))
        self.dtype = dtype_of(norm)
        self._training_memory = self._new_memory()
        self._keeper: KeptGradients | None = None
        self._kept: list[KeptGradient] = []
        self._folded = [
            Derived(*_folding(layer, self.convolution.read)) for layer in self.layers
        ]
        self._scaled = Derived(
            lambda: _in(self.dtype, *scale_and_shift(norm)),
            *map(parameter, norm.variables),
        )

    def _new_memory(self) -> BlockMemory:
        computed = Computed(self.parameters, self.dtype, self.convolution.read)
        return BlockMemory(self.layers, computed)

    def __call__(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        x = x.to(self.dtype)
        if context.training and all(one.requires_grad for one in self.parameters):
            return self._train(context, x)
        if context.training or torch.is_grad_enabled():
            return self._layer_by_layer(context, x)
        return self._infer(x)

    def _train(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        for folded in self._folded:
            folded.forget()
        self._scaled.forget()
        statistics: list[tuple[torch.Tensor, torch.Tensor]] = []
        # In `fit`, exactly one backward pass follows, so the memory can be reused.
        kept: list[KeptGradient] | None
        if context.kept is None:
            memory, kept = self._new_memory(), None
        else:
            memory, kept = self._training_memory, self._kept_by(context.kept)
        out = TrainedBlock.apply(self, memory, kept, statistics, x, *self.parameters)
        mean, inverse_std = statistics.pop()
        for layer, own in zip(self.layers, statistics, strict=True):
            width = len(parameter(layer.norm1.gamma))
            context.gather(layer.norm1, mean[:width], inverse_std[:width])
            context.gather(layer.norm2, *own)
        context.gather(self.norm, mean, inverse_std)
        return out

    def _kept_by(self, kept: KeptGradients) -> list[KeptGradient]:
        """The `KeptGradient` of each parameter."""
        if kept is not self._keeper:
            self._keeper = kept
            self._kept = [
                kept.keep(tensor, lambda whole: [self.gradient_view(whole)])
                for tensor in self.parameters
            ]
        return self._kept

    def gradient_view(self, tensor: torch.Tensor) -> torch.Tensor:
        """The view of a tensor with a parameter's shape that corresponds to its
        gradient in the backward pass; contiguous for kernels stored by this class."""
        if tensor.dim() == 1:
            return tensor
        if len(tensor) == 1:
            return tensor[0, 0].t()
        return self.convolution.used(tensor)

    def _layer_by_layer(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        """For frozen layers, and gradients in inference mode."""
        for layer in self.layers:
            new = torch.relu_(batch_norm(context, layer.norm1, x))
            new = _convolution(new, layer.conv1, 0)
            new = torch.relu_(batch_norm(context, layer.norm2, new))
            new = _convolution(new, layer.conv2, 1)
            x = torch.cat([x, new], 1)
        return torch.relu_(batch_norm(context, self.norm, x))

    def _infer(self, x: torch.Tensor) -> torch.Tensor:
        """With moving statistics, folded into the following convolutions."""
        convolution = same_convolution(*x.shape[:1], *x.shape[2:])
        maps = pixel_rows(x)
        width = maps.shape[1]
        rows = maps.new_empty(len(maps), width + len(self.layers) * self.growth)
        rows[:, :width] = maps
        widest = rows.new_empty(rows.numel())
        for folded in self._folded:
            low, high, weight, bias, kernel = folded()
            read = widest[: len(rows) * width].view(len(rows), width)
            if high is None:
                torch.maximum(rows[:, :width], low, out=read)
            else:
                torch.clamp(rows[:, :width], low, high, out=read)
            inner = biased_relu(read, weight, bias)
            new = convolution(inner, kernel)
            rows[:, width : width + self.growth] = new
            width += self.growth
        scale, shift = self._scaled()
        return images_of(torch.addcmul(shift, rows, scale).relu_(), x.shape)


def _convolution(x: torch.Tensor, conv: Any, padding: int) -> torch.Tensor:
    kernel = parameter(conv.kernel)
    return Convolution.apply(x, kernel, None, (1, 1), (padding, padding), None)


def _in(dtype: torch.dtype, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.to(dtype) for tensor in tensors)


def _limiting(high: torch.Tensor) -> torch.Tensor | None:
    """Upper bounds, or None if they are all infinite, as those of positive scales; a
    maximum takes half the time of a clamp. torch.compile cannot branch on values."""
    if torch.compiler.is_compiling() or high.isfinite().any():
        return high
    return None


def _folding(layer: DenseLayer, read: Callable) -> Iterator[Any]:
    """Arguments for `Derived`: bounds [C], matrix [C, B] and bias [B] such that

        norm2(conv1(relu(norm1(x)))) = clamp(x, low, high) @ matrix + bias

    with moving statistics, and the 3x3 kernel as `read` returns it, all in the layer's
    compute dtype; the matrix is `packed`.

    Norm and ReLU, max(s x + t, 0), equal s * max(x, -t / s) + t for s > 0, and
    s * min(x, -t / s) + t for s < 0. Moving s into the matrix and t into the bias
    leaves a single pass over x.
    """

    def fold():
        scale, shift = scale_and_shift(layer.norm1)
        scale2, shift2 = scale_and_shift(layer.norm2)
        matrix = parameter(layer.conv1.kernel)[0, 0] * scale2
        constant = scale.abs() < _NO_SCALE
        bound = torch.where(constant, 0, -shift / torch.where(constant, 1, scale))
        low = torch.where((scale > 0) | constant, bound, -torch.inf)
        high = torch.where((scale < 0) | constant, bound, torch.inf)
        bias = shift2 + torch.where(constant, shift.relu(), shift) @ matrix
        kernel = read(parameter(layer.conv2.kernel).detach())
        low, high, matrix, bias, kernel = _in(
            dtype_of(layer.conv2), low, high, scale[:, None] * matrix, bias, kernel
        )
        return low, _limiting(high), packed(matrix), bias, kernel

    yield fold
    norms = [*layer.norm1.variables, *layer.norm2.variables]
    yield from map(parameter, [*norms, layer.conv1.kernel, layer.conv2.kernel])
