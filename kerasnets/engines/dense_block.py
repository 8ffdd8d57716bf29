"""A dense block as one operation on the CPU, with its gradients.

Every layer of a dense block begins with the batch norm of all maps before it (Huang et
al. 2017, section 3). Their batch statistics are the same for each of these layers, so
the maps are normalized once, into one matrix with a row for each pixel, and a layer
only scales and shifts the columns that it reads. Backwards, the gradients of all
layers are added up in front of the normalization, which they pass once; the sums that
this takes are those that the layers' own scales and shifts need. What a layer reads is
computed again instead of kept (Pleiss et al. 2017, "Memory-Efficient Implementation of
DenseNets"). Parameters, results, gradients and moving statistics are the block's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from kerasnets.engines.block_memory import BlockMemory
from kerasnets.engines.derived import Derived
from kerasnets.engines.kept_gradients import KeptGradient, KeptGradients
from kerasnets.engines.matrix_product import biased_relu, outer_products, product
from kerasnets.engines.same_convolution import same_convolution
from kerasnets.engines.torch_convolution import batch_norm
from kerasnets.engines.torch_lowering import Context, parameter, pixel_rows, store

# Named once: looking them up takes as long as a small one of them.
_NORM_OUT = torch.ops.aten.native_batch_norm.out
_NORM_BACKWARD = torch.ops.aten.native_batch_norm_backward.default
_THRESHOLD = torch.ops.aten.threshold_backward.grad_input

# A norm with a smaller scale gives the same for every x.
_NO_SCALE = 1e-20


@dataclass(frozen=True)
class DenseLayer:
    """Keras's layers of one layer of the block: batch norm, ReLU, 1x1 convolution,
    batch norm, ReLU, 3x3 convolution; its output is appended to its input."""

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

    Called with images [N, C, H, W] in channels-last memory, it gives [N, C + L * G, H,
    W], of L layers that add G maps each.

    Args:
        layers: the layers; their convolutions have no bias, and their first norms one
            epsilon, which `norm` has too.
        norm: the batch norm at the end.
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
            store(parameter(layer.conv1.kernel), (0, 1, 3, 2))  # as its gradient comes
            self.convolution.store(parameter(layer.conv2.kernel))
        # Views of each layer's kernels: [C, B], [B, C], and as the convolution reads.
        self.weights = [
            parameter(layer.conv1.kernel).detach()[0, 0] for layer in self.layers
        ]
        self.transposed = [weight.t() for weight in self.weights]
        self.kernels = [
            self.convolution.read(parameter(layer.conv2.kernel).detach())
            for layer in self.layers
        ]
        self._training_memory = BlockMemory(self.layers)
        self._keeper: KeptGradients | None = None
        self._kept: list[KeptGradient] = []
        self._folded = [Derived(*_folding(layer)) for layer in self.layers]
        self._scaled = Derived(
            lambda: _scale_and_shift(norm), *map(parameter, norm.variables)
        )

    def __call__(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        if context.training and all(p.requires_grad for p in self.parameters):
            return self._train(context, x)
        if context.training or torch.is_grad_enabled():
            return self._layer_by_layer(context, x)
        return self._infer(x)

    def _train(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        for folded in self._folded:
            folded.forget()
        self._scaled.forget()
        statistics: list[tuple[torch.Tensor, torch.Tensor]] = []
        # Within fit's steps the memory is used again: one backward pass follows.
        kept: list[KeptGradient] | None
        if context.kept is None:
            memory, kept = BlockMemory(self.layers), None
        else:
            memory, kept = self._training_memory, self._kept_by(context.kept)
        out = _TrainedBlock.apply(self, memory, kept, statistics, x, *self.parameters)
        mean, inverse_std = statistics.pop()
        for layer, own in zip(self.layers, statistics, strict=True):
            width = len(parameter(layer.norm1.gamma))
            context.gather(layer.norm1, mean[:width], inverse_std[:width])
            context.gather(layer.norm2, *own)
        context.gather(self.norm, mean, inverse_std)
        return out

    def _kept_by(self, kept: KeptGradients) -> list[KeptGradient]:
        """What `kept` keeps of each parameter."""
        if kept is not self._keeper:
            self._keeper = kept
            self._kept = [
                kept.keep(tensor, lambda whole: [self.gradient_view(whole)])
                for tensor in self.parameters
            ]
        return self._kept

    def gradient_view(self, tensor: torch.Tensor) -> torch.Tensor:
        """The part of a tensor shaped as a parameter that its gradient fills, as the
        backward pass gives it: contiguous for a kernel that is stored as here."""
        if tensor.dim() == 1:
            return tensor
        if len(tensor) == 1:
            return tensor[0, 0].t()
        return self.convolution.used(tensor)

    def _layer_by_layer(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        """For frozen layers, and for gradients of inference."""
        for layer in self.layers:
            new = torch.relu_(batch_norm(context, layer.norm1, x))
            new = F.conv2d(new, parameter(layer.conv1.kernel).permute(3, 2, 0, 1))
            new = torch.relu_(batch_norm(context, layer.norm2, new))
            kernel = parameter(layer.conv2.kernel).permute(3, 2, 0, 1)
            x = torch.cat([x, F.conv2d(new, kernel, padding=1)], 1)
        return torch.relu_(batch_norm(context, self.norm, x))

    def _infer(self, x: torch.Tensor) -> torch.Tensor:
        """With the moving statistics, folded into what follows where that can be."""
        convolution = same_convolution(*x.shape[:1], *x.shape[2:])
        maps = pixel_rows(x)
        width = maps.shape[1]
        rows = maps.new_empty(len(maps), width + len(self.layers) * self.growth)
        rows[:, :width] = maps
        widest = rows.new_empty(rows.numel())
        for folded, kernel in zip(self._folded, self.kernels, strict=True):
            low, high, weight, bias = folded()
            read = widest[: len(rows) * width].view(len(rows), width)
            torch.clamp(rows[:, :width], low, high, out=read)
            inner = biased_relu(read, weight, bias)
            new = convolution(inner, kernel)
            rows[:, width : width + self.growth] = new
            width += self.growth
        scale, shift = self._scaled()
        return _images(torch.addcmul(shift, rows, scale).relu_(), x.shape)


class _TrainedBlock(torch.autograd.Function):
    """A training pass through a `DenseBlock`.

    Inputs:
        block, memory, kept, statistics: the block, where its intermediate results
            live, what takes the parameters' gradients (or None), and a list that
            takes the batch's mean and inverse standard deviation: [B] of each
            layer's inner norm, and at last those of all maps, [C + L * G].
        x: [N, C, H, W] in channels-last memory.
        parameters: the block's.
    """

    @staticmethod
    def forward(ctx, block, memory, kept, statistics, x, *parameters):
        convolution = same_convolution(*x.shape[:1], *x.shape[2:])
        maps = pixel_rows(x)
        memory.fit(maps)
        inners: list[torch.Tensor] = []
        found = [_normalize(maps, block.epsilon, memory.columns[0])]
        for index, layer in enumerate(block.layers):
            scale, shift, _, scale2, shift2, _ = _of(parameters, index)
            read, active = memory.read[index], memory.active[index]
            torch.addcmul(shift, memory.columns[index], scale, out=read).relu_()
            inner = _as_one_image(product(read, block.weights[index]))
            mean, inverse_std = (
                memory.inner_means[index],
                memory.inner_inverse_stds[index],
            )
            _NORM_OUT(
                inner,
                scale2,
                shift2,
                None,
                None,
                True,
                0.0,
                layer.norm2.epsilon,
                out=_as_one_image(active),
                save_mean=mean,
                save_invstd=inverse_std,
            )
            active.relu_()
            inners.append(inner)
            statistics.append((mean, inverse_std))
            new = convolution(active, block.kernels[index])
            found.append(_normalize(new, block.epsilon, memory.new[index]))
        mean, inverse_std = (torch.cat(parts) for parts in zip(*found, strict=True))
        out = torch.addcmul(parameters[-1], memory.normal, parameters[-2]).relu_()
        ctx.save_for_backward(out, *parameters)
        ctx.block, ctx.memory, ctx.kept, ctx.convolution = (
            *(block, memory, kept, convolution),
        )
        ctx.shape, ctx.inners, ctx.inner_statistics = x.shape, inners, list(statistics)
        ctx.inverse_stds = [one[1] for one in found]
        statistics.append((mean, inverse_std))
        return _images(out, x.shape)

    @staticmethod
    def backward(ctx, grad):
        out, *parameters = ctx.saved_tensors
        block, memory, convolution = ctx.block, ctx.memory, ctx.convolution
        gradients: list[torch.Tensor | None] = [None] * len(parameters)
        # The gradient of the normalized maps; and for each of them two sums over the
        # pixels, of that gradient and of its product with the map.
        to_normal = memory.to_normal
        _threshold(pixel_rows(grad), out, to_normal)
        to_shift = to_normal.sum(0)
        to_scale = torch.mul(to_normal, memory.normal, out=memory.read[-1]).sum(0)
        gradients[-2:] = to_scale, to_shift
        scale = parameters[-2]
        to_normal.mul_(scale)
        torch.mul(scale, to_shift, out=memory.sums)
        torch.mul(scale, to_scale, out=memory.products)
        for index in range(len(block.layers) - 1, -1, -1):
            scale, shift, _, scale2, _, _ = _of(parameters, index)
            active, read = memory.active[index], memory.read[index]
            to_new = _before_normalization(
                memory.to_new[index],
                memory.new[index],
                memory.new_sums[index],
                memory.new_products[index],
                ctx.inverse_stds[index + 1],
            )
            to_active, to_kernel2 = convolution.gradients(
                to_new, active, block.kernels[index]
            )
            _threshold(to_active, active, to_active)
            to_inner, to_scale2, to_shift2 = _NORM_BACKWARD(
                _as_one_image(to_active),
                ctx.inners[index],
                scale2,
                None,
                None,
                *ctx.inner_statistics[index],
                True,
                block.layers[index].norm2.epsilon,
                [True, True, True],
            )
            to_inner = to_inner.as_strided(active.shape, active.stride())
            columns = memory.columns[index]
            torch.addcmul(shift, columns, scale, out=read).relu_()
            to_kernel1 = outer_products(to_inner, read)
            to_read = product(to_inner, block.transposed[index])
            _threshold(to_read, read, to_read)
            to_shift = to_read.sum(0)
            to_scale = torch.mul(to_read, columns, out=read).sum(0)
            memory.to_columns[index].addcmul_(to_read, scale)
            memory.sums_of_columns[index].addcmul_(scale, to_shift)
            memory.products_of_columns[index].addcmul_(scale, to_scale)
            first = 6 * index
            gradients[first : first + 6] = (
                *(to_scale, to_shift, to_kernel1, to_scale2, to_shift2, to_kernel2),
            )
            _hand_over(ctx.kept, gradients, first, first + 6)
        to_x = _before_normalization(
            memory.to_columns[0],
            memory.columns[0],
            memory.sums_of_columns[0],
            memory.products_of_columns[0],
            ctx.inverse_stds[0],
        )
        _hand_over(ctx.kept, gradients, len(gradients) - 2, len(gradients))
        whole = _in_whole_shapes(gradients, parameters, block.gradient_view)
        return None, None, None, None, _images(to_x, ctx.shape), *whole


def _before_normalization(
    to_normal: torch.Tensor,
    normal: torch.Tensor,
    sums: torch.Tensor,
    products: torch.Tensor,
    inverse_std: torch.Tensor,
) -> torch.Tensor:
    """The gradient of maps [pixels, C] from that of their normal form, and its sums
    [C] over the pixels, alone and times the normal form."""
    share = 1 / len(normal)
    through = torch.addcmul(to_normal, normal, products, value=-share)
    return through.sub_(sums, alpha=share).mul_(inverse_std)


def _hand_over(
    kept: list[KeptGradient] | None,
    gradients: list[torch.Tensor | None],
    first: int,
    end: int,
) -> None:
    """Give the gradients of these parameters, which nothing reads any more, to what
    keeps them, if anything does."""
    if kept is None:
        return
    for position in range(first, end):
        gradient, gradients[position] = gradients[position], None
        assert gradient is not None
        kept[position].take([gradient])


def _in_whole_shapes(
    gradients: list[torch.Tensor | None],
    parameters: Sequence[torch.Tensor],
    view: Callable[[torch.Tensor], torch.Tensor],
) -> list[torch.Tensor | None]:
    """The gradients that were not handed over, in the shapes of their parameters, of
    which each fills a `view`."""
    for position, tensor in enumerate(parameters):
        gradient = gradients[position]
        if gradient is not None and tensor.dim() > 1:
            gradients[position] = whole = torch.zeros_like(tensor)
            view(whole).copy_(gradient)
    return gradients


def _of(tensors: Sequence[torch.Tensor], layer: int) -> Sequence[torch.Tensor]:
    return tensors[6 * layer : 6 * layer + 6]


def _images(rows: torch.Tensor, like: torch.Size) -> torch.Tensor:
    """[pixels, C] as [N, C, H, W] of the shape `like`, but for C."""
    count, _, height, width = like
    return rows.view(count, height, width, -1).permute(0, 3, 1, 2)


def _as_one_image(rows: torch.Tensor) -> torch.Tensor:
    """[pixels, C] as [1, C, pixels, 1]: channels-last memory whatever the map's size,
    which the library is fast on."""
    pixels, maps = rows.shape
    return rows.as_strided((1, maps, pixels, 1), (pixels * maps, 1, maps, maps))


def _normalize(
    maps: torch.Tensor, epsilon: float, out: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write maps [pixels, C] normalized to `out`; give mean and inverse deviation."""
    normal, mean, inverse_std = torch.native_batch_norm(
        _as_one_image(maps), None, None, None, None, True, 0.0, epsilon
    )
    out.copy_(normal.as_strided(out.shape, (out.shape[1], 1)))
    return mean, inverse_std


def _threshold(grad: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    """out = grad where value > 0, else 0."""
    _THRESHOLD(grad, value, 0, grad_input=out)


def _scale_and_shift(norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What a norm does in inference: x * scale + shift."""
    variance = parameter(norm.moving_variance)
    scale = parameter(norm.gamma) * torch.rsqrt(variance + norm.epsilon)
    return scale, parameter(norm.beta) - parameter(norm.moving_mean) * scale


def _folding(layer: DenseLayer) -> Iterator[Any]:
    """Arguments of `Derived`: bounds [C], matrix [C, B] and bias [B] such that

        norm2(conv1(relu(norm1(x)))) = clamp(x, low, high) @ matrix + bias

    with moving statistics. A norm and ReLU, max(s x + t, 0), are s * max(x, -t / s) + t
    for s > 0, and s * min(x, -t / s) + t for s < 0; s goes into the matrix and t into
    the bias, which leaves one pass over x.
    """

    def fold():
        scale, shift = _scale_and_shift(layer.norm1)
        scale2, shift2 = _scale_and_shift(layer.norm2)
        matrix = parameter(layer.conv1.kernel)[0, 0] * scale2
        constant = scale.abs() < _NO_SCALE
        bound = torch.where(constant, 0, -shift / torch.where(constant, 1, scale))
        low = torch.where((scale > 0) | constant, bound, -torch.inf)
        high = torch.where((scale < 0) | constant, bound, torch.inf)
        bias = shift2 + torch.where(constant, shift.relu(), shift) @ matrix
        return low, high, scale[:, None] * matrix, bias

    yield fold
    norms = [*layer.norm1.variables, *layer.norm2.variables]
    yield from map(parameter, [*norms, layer.conv1.kernel])
