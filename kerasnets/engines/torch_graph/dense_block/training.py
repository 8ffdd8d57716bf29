"""A training pass through a dense block as one operation, with its gradients.

Every layer of a dense block begins with the batch norm of all previous maps (Huang et
al. 2017, section 3). The batch statistics of a map are the same for all layers, so the
maps are normalized once, into one matrix with a row for each pixel, and a layer only
scales and shifts the columns that it reads. In the backward pass, the gradients of all
layers are summed before they pass the normalization once; the sums needed for this are
those for the gradients of the layers' scales and shifts. A layer's input after norm and
ReLU is recomputed instead of stored (Pleiss et al. 2017, "Memory-Efficient
Implementation of DenseNets").

Maps, kernels and their gradients have the layers' compute dtype, for example bfloat16;
statistics and the sums over pixels have the parameters' dtype.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from kerasnets.engines.torch_graph.dense_block.convolution import same_convolution
from kerasnets.engines.torch_graph.kept_gradients import KeptGradient
from kerasnets.engines.torch_graph.matrix_product import outer_products, product
from kerasnets.engines.torch_graph.values import images_of, pixel_rows

# Looked up once, as the lookup takes as long as a small operation.
_NORM_OUT = torch.ops.aten.native_batch_norm.out
_NORM_BACKWARD = torch.ops.aten.native_batch_norm_backward.default
_THRESHOLD = torch.ops.aten.threshold_backward.grad_input


class TrainedBlock(torch.autograd.Function):
    """A training pass through a `DenseBlock`.

    Inputs:
        block: the block.
        memory: holds its intermediate results.
        kept: receive the parameters' gradients, or None.
        statistics: a list that receives the batch's mean and inverse standard
            deviation: [B] for each layer's inner norm, then [C + L * G] for all maps.
        x: [N, C, H, W] in channels-last memory.
        parameters: the block's parameters.
    """

    @staticmethod
    def forward(ctx, block, memory, kept, statistics, x, *parameters):
        convolution = same_convolution(*x.shape[:1], *x.shape[2:])
        maps = pixel_rows(x)
        memory.fit(maps)
        computed = memory.computed
        computed.refresh()
        inners: list[torch.Tensor] = []
        found = [_normalize(maps, memory.neutral[0], block, memory.columns[0])]
        for index, layer in enumerate(block.layers):
            scale, shift, *_ = _of(computed.values, index)
            scale2, shift2 = _of(parameters, index)[3:5]
            read, active = memory.read[index], memory.active[index]
            torch.addcmul(shift, memory.columns[index], scale, out=read).relu_()
            inner = _as_one_image(product(read, computed.weights[index]))
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
            new = convolution(active, computed.kernels[index])
            found.append(_normalize(new, memory.neutral_new, block, memory.new[index]))
        mean, inverse_std = (torch.cat(parts) for parts in zip(*found, strict=True))
        scale, shift = computed.values[-2:]
        out = torch.addcmul(shift, memory.normal, scale).relu_()
        ctx.save_for_backward(out, *parameters)
        ctx.block, ctx.memory, ctx.kept, ctx.convolution = (
            *(block, memory, kept, convolution),
        )
        ctx.shape, ctx.inners, ctx.inner_statistics = x.shape, inners, list(statistics)
        ctx.inverse_std = inverse_std.to(maps.dtype)
        statistics.append((mean, inverse_std))
        return images_of(out, x.shape)

    @staticmethod
    def backward(ctx, grad):
        out, *parameters = ctx.saved_tensors
        block, memory, convolution = ctx.block, ctx.memory, ctx.convolution
        gradients: list[torch.Tensor | None] = [None] * len(parameters)
        # The gradient of the normalized maps and, for each map, two sums over the
        # pixels: of that gradient, and of its product with the map.
        to_normal = memory.to_normal
        _threshold(pixel_rows(grad), out, to_normal)
        scale, values = parameters[-2], memory.computed.values
        to_scale, to_shift = _sums(to_normal, memory.normal, memory.neutral[-1])
        gradients[-2:] = to_scale, to_shift
        to_normal.mul_(values[-2])
        torch.mul(scale, to_shift, out=memory.sums)
        torch.mul(scale, to_scale, out=memory.products)
        of_columns, of_new = memory.parts(ctx.inverse_std)
        for index in range(len(block.layers) - 1, -1, -1):
            scale, _, _, scale2, _, _ = _of(parameters, index)
            maps_scale, maps_shift, *_ = _of(values, index)
            active, read = memory.active[index], memory.read[index]
            to_new = _before_normalization(
                memory.to_new[index],
                memory.new[index],
                memory.new_both[index],
                of_new[index],
            )
            to_active, to_kernel2 = convolution.gradients(
                to_new, active, memory.computed.kernels[index]
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
            torch.addcmul(maps_shift, columns, maps_scale, out=read).relu_()
            to_kernel1 = outer_products(to_inner, read)
            to_read = product(to_inner, memory.computed.weights[index].t())
            _threshold(to_read, read, to_read)
            read.copy_(columns)
            to_scale, to_shift = _sums(to_read, read, memory.neutral[index])
            memory.to_columns[index].addcmul_(to_read, maps_scale)
            memory.sums_of_columns[index].addcmul_(scale, to_shift)
            memory.products_of_columns[index].addcmul_(scale, to_scale)
            first = 6 * index
            gradients[first : first + 6] = (
                *(to_scale, to_shift, to_kernel1.to(scale.dtype)),
                *(to_scale2, to_shift2, to_kernel2.to(scale.dtype)),
            )
            _hand_over(ctx.kept, gradients, first, first + 6)
        to_x = _before_normalization(
            memory.to_columns[0],
            memory.columns[0],
            memory.both_of_columns[0],
            of_columns[0],
        )
        _hand_over(ctx.kept, gradients, len(gradients) - 2, len(gradients))
        whole = _in_whole_shapes(gradients, parameters, block.gradient_view)
        return None, None, None, None, images_of(to_x, ctx.shape), *whole


def _before_normalization(
    to_normal: torch.Tensor,
    normal: torch.Tensor,
    both: torch.Tensor,
    inverse_std: torch.Tensor,
) -> torch.Tensor:
    """The gradient of maps [pixels, C], from that of the normalized maps and its sums
    [2, C] over the pixels: multiplied by the normalized maps, and plain."""
    share = 1 / len(normal)
    products, sums = both.to(normal.dtype)
    through = torch.addcmul(to_normal, normal, products, value=-share)
    return through.sub_(sums, alpha=share).mul_(inverse_std)


def _sums(
    grad: torch.Tensor, maps: torch.Tensor, neutral: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over the pixels of the gradient [pixels, C] times the maps, and of the
    gradient, in the dtype of `neutral`: the gradients of a norm's scale and shift if it
    leaves the maps as they are."""
    mean, inverse_std = neutral
    _, products, sums = _NORM_BACKWARD(
        *(_as_one_image(grad), _as_one_image(maps), inverse_std, None, None),
        *(mean, inverse_std, True, 0.0, [False, True, True]),
    )
    return products, sums


def _hand_over(
    kept: list[KeptGradient] | None,
    gradients: list[torch.Tensor | None],
    first: int,
    end: int,
) -> None:
    """Pass the gradients of these parameters, which are no longer needed here, to
    `kept`, if given."""
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
    """The gradients that were not handed over, expanded to the shapes of their
    parameters."""
    for position, tensor in enumerate(parameters):
        gradient = gradients[position]
        if gradient is not None and tensor.dim() > 1:
            gradients[position] = whole = torch.zeros_like(tensor)
            view(whole).copy_(gradient)
    return gradients


def _of(tensors: Sequence[torch.Tensor], layer: int) -> Sequence[torch.Tensor]:
    return tensors[6 * layer : 6 * layer + 6]


def _as_one_image(rows: torch.Tensor) -> torch.Tensor:
    """[pixels, C] as [1, C, pixels, 1]: channels-last memory for any map size, on which
    the library is fast."""
    pixels, maps = rows.shape
    return rows.as_strided((1, maps, pixels, 1), (pixels * maps, 1, maps, maps))


def _normalize(
    maps: torch.Tensor,
    neutral: tuple[torch.Tensor, torch.Tensor],
    block: Any,
    out: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write normalized maps [pixels, C] to `out`; return mean and inverse standard
    deviation, in the dtype of `neutral`."""
    shift, scale = neutral
    normal, mean, inverse_std = torch.native_batch_norm(
        _as_one_image(maps), scale, shift, None, None, True, 0.0, block.epsilon
    )
    out.copy_(normal.as_strided(out.shape, (out.shape[1], 1)))
    return mean, inverse_std


def _threshold(grad: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    """out = grad where value > 0, else 0."""
    if grad.dtype is torch.bfloat16:
        # Positive numbers are positive integers too, which PyTorch compares in a third
        # of the time.
        grad, value, out = (one.view(torch.int16) for one in (grad, value, out))
    _THRESHOLD(grad, value, 0, grad_input=out)
