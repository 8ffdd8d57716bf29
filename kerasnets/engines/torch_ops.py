"""Keras layers as torch operations on the layers' own variables.

`lower` gives for a layer the operation that does the same; the rules are exact, not
approximate: same parameters, same results and gradients, same moving statistics.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import torch
from keras import layers
from torch.nn import functional as F

from kerasnets.engines.small_maps import SmallMapConv, taps

# When a convolution is a matrix product instead, on a CPU (docs/performance.md): if a
# single tap of its kernel meets the map and it gives at most so many pixels; or if
# several do, for fewer pixels and enough channels to make up for the Python between.
ONE_TAP_PIXELS = 16
SMALL_MAP_PIXELS = 4
SMALL_MAP_CHANNELS = 256 * 256  # in times out


class Context:
    """What one run through the graph collects.

    Attributes:
        training: whether batch statistics are used and gathered.
    """

    def __init__(self, training: bool) -> None:
        self.training = training
        self._moving: dict[float, tuple[list, list]] = defaultdict(lambda: ([], []))

    def gather(self, layer, mean: torch.Tensor, inverse_std: torch.Tensor) -> None:
        """Note a batch's statistics for a layer's moving ones."""
        variance = inverse_std.detach().pow(-2).sub_(layer.epsilon).clamp_(min=0)
        old, new = self._moving[layer.momentum]
        old += [layer.moving_mean.value, layer.moving_variance.value]
        new += [mean.detach(), variance]

    def update_moving_statistics(self) -> None:
        """moving = moving * momentum + batch * (1 - momentum), the variance being the
        biased one, as Keras keeps it."""
        with torch.no_grad():
            for momentum, (old, new) in self._moving.items():
                torch._foreach_lerp_(old, new, 1 - momentum)


Operation = Callable[..., torch.Tensor]


@dataclass
class Value:
    """What is known of a tensor when the graph is lowered.

    Attributes:
        slot: where it is at run time.
        shape: as Keras has it.
        images: it is held as [N, C, H, W]; False for the model's input and for
            tensors of other rank.
        fresh: the operation that made it needs it no more, and no other tensor shares
            its memory: it may be overwritten by its only reader.
        nonnegative: no element is below zero.
        copies: pixels that its reader sees, all equal to the one that is held.
        padding: zeros that its reader has yet to put around it, (rows, columns).
        channels_last: the data format of the Keras layer that made it.
        sole_use: exactly one operation reads it.
    """

    slot: int = 0
    shape: tuple[int | None, ...] = ()
    images: bool = False
    fresh: bool = False
    nonnegative: bool = False
    copies: int = 1
    padding: tuple[int, int] = (0, 0)
    channels_last: bool = True
    sole_use: bool = False


@dataclass
class Lowered:
    """An operation and what it gives. Without an operation, the operand is passed on.

    Attributes:
        absorbs_next: the layer that follows is part of the operation.
    """

    operation: Operation | None
    value: Value
    absorbs_next: bool = False


def lower(layer: Any, operands: list[Value], following: Any) -> Lowered:
    """The operation of a layer.

    Args:
        operands: its inputs.
        following: the node that alone reads its output, or None.
    """
    rule = _RULES.get(type(layer))
    lowered = rule(layer, operands, following) if rule else None
    return lowered or _called_as_it_is(layer, operands)


def to_model_format(value: Value) -> Operation | None:
    """What brings a model's output to the model's own data format, if anything."""
    if value.images and value.channels_last:
        return lambda context, x: x.permute(0, 2, 3, 1)
    return None


def _as_images(value: Value, channels_last: bool) -> Callable:
    """What makes [N, C, H, W] in channels-last memory of a tensor."""
    if value.images:
        return lambda x: x
    if channels_last:
        return lambda x: x.permute(0, 3, 1, 2)
    return lambda x: x.contiguous(memory_format=torch.channels_last)


def _called_as_it_is(layer, operands: list[Value]) -> Lowered:
    """Any layer: Keras's own call, on tensors in Keras's own format."""
    back = [value.images and value.channels_last for value in operands]
    pads = [value.padding for value in operands]

    def operation(context, *xs):
        arguments = [
            _pad(x, pad).permute(0, 2, 3, 1) if to_model else _pad(x, pad)
            for x, pad, to_model in zip(xs, pads, back, strict=True)
        ]
        inputs = arguments[0] if len(arguments) == 1 else arguments
        if getattr(layer, "_call_has_training_arg", False):
            return layer(inputs, training=context.training)
        return layer(inputs)

    return Lowered(operation, Value())


def _pad(x: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    rows, columns = padding
    return F.pad(x, (columns, columns, rows, rows)) if rows or columns else x


def _channels_last(layer) -> bool:
    return layer.data_format == "channels_last"


def _dtype(layer) -> torch.dtype:
    return getattr(torch, layer.compute_dtype)


def _conv(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    padding = _conv_padding(layer, source)
    if layer.groups != 1 or set(layer.dilation_rate) != {1} or padding is None:
        return None
    if layer.activation is not keras.activations.linear:
        return None
    to_images = _as_images(source, _channels_last(layer))
    forward = _conv_forward(layer, source, padding)
    norm = following.operation if following is not None else None
    fuse = type(norm) is layers.BatchNormalization and _normalizes_channels(norm, layer)
    dtype = _dtype(layer)

    def operation(context, x):
        x = to_images(x).to(dtype)
        kernel = layer.kernel.value
        bias = layer.bias.value if layer.use_bias else None
        if not fuse:
            return forward(x, kernel, bias)
        if context.training:
            return _batch_norm(context, norm, forward(x, kernel, bias))
        return forward(x, *_folded(kernel, bias, norm))

    value = Value(images=True, fresh=True, channels_last=_channels_last(layer))
    return Lowered(operation, value, absorbs_next=fuse)


def _conv_padding(layer, source: Value) -> tuple[int, int] | None:
    """Symmetric zeros that a convolution needs around its input, or None where they
    are not symmetric."""
    if layer.padding == "valid":
        return source.padding
    odd = all(size % 2 for size in layer.kernel_size)
    if layer.padding == "same" and odd and set(layer.strides) == {1}:
        rows, columns = source.padding
        return (rows + layer.kernel_size[0] // 2, columns + layer.kernel_size[1] // 2)
    return None


def _conv_forward(layer, source: Value, padding: tuple[int, int]) -> Callable:
    """f(x [N, C, H, W], kernel [h, w, I, O], bias) -> [N, O, H', W']."""
    stride, dtype = layer.strides, _dtype(layer)
    product = _as_product(layer, source, padding)
    if product:
        return product
    _store_for_convolution(layer.kernel)

    def convolution(x, kernel, bias):
        bias = bias if bias is None else bias.to(dtype)
        weight = kernel.to(dtype).permute(3, 2, 0, 1)
        return F.conv2d(x, weight, bias, stride, padding)

    return convolution


def _as_product(layer, source: Value, padding: tuple[int, int]) -> Callable | None:
    """The same as `_conv_forward` by matrix products, where that is faster."""
    (size, width_), (stride, stride_) = layer.kernel_size, layer.strides
    height, width = _map_size(source, _channels_last(layer))
    centered = size % 2 == 1 and padding == (size // 2, size // 2)
    if layer.kernel.value.device.type != "cpu" or not centered:
        return None
    if size != width_ or stride != stride_ or height is None or width is None:
        return None
    met = list(taps(height, width, size, stride))
    out_height, out_width = -(-height // stride), -(-width // stride)
    pixels, dtype = out_height * out_width, _dtype(layer)
    filters, channels = layer.filters, layer.kernel.shape[2]

    def one_tap(x, kernel, bias):
        tap, source, _ = met[0]
        rows = x.permute(0, 2, 3, 1)[:, *source].reshape(-1, channels)
        weight = kernel[tap].to(dtype)
        if bias is None:
            out = rows @ weight
        else:
            out = torch.addmm(bias.to(dtype), rows, weight)
        return out.view(-1, out_height, out_width, filters).permute(0, 3, 1, 2)

    def several_taps(x, kernel, bias):
        rows = x.permute(0, 2, 3, 1).contiguous()
        out = SmallMapConv.apply(rows, kernel.to(dtype), stride)
        out = out if bias is None else out + bias.to(dtype)
        return out.permute(0, 3, 1, 2)

    if len(met) == 1 and pixels <= ONE_TAP_PIXELS:
        return one_tap
    if pixels <= SMALL_MAP_PIXELS and channels * filters >= SMALL_MAP_CHANNELS:
        return several_taps
    return None


def _map_size(source: Value, channels_last: bool) -> tuple[int | None, int | None]:
    """Height and width without the padding still to come, as far as known."""
    height, width = source.shape[1:3] if channels_last else source.shape[2:4]
    rows, columns = source.padding
    return (
        None if height is None else height - 2 * rows,
        None if width is None else width - 2 * columns,
    )


def _store_for_convolution(kernel: keras.Variable) -> None:
    """Keep a kernel's [h, w, I, O] in the memory order of [O, h, w, I], in which torch
    reads it without copying at every step. Its shape and values stay."""
    parameter = kernel.value
    with torch.no_grad():
        stored = parameter.detach().permute(3, 0, 1, 2).contiguous()
        parameter.data = stored.permute(1, 2, 3, 0)


def _normalizes_channels(norm, conv) -> bool:
    axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
    channel = 3 if _channels_last(conv) else 1
    return axis % 4 == channel and norm.center and norm.scale


def _batch_norm(context: Context, norm, x: torch.Tensor) -> torch.Tensor:
    gamma, beta = norm.gamma.value, norm.beta.value
    if not context.training or not norm.trainable:
        mean, variance = norm.moving_mean.value, norm.moving_variance.value
        return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, norm.epsilon)
    out, mean, inverse_std = torch.native_batch_norm(
        x, gamma, beta, None, None, True, 0.0, norm.epsilon
    )
    context.gather(norm, mean, inverse_std)
    return out


def _folded(kernel, bias, norm) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias that do what a convolution and its batch norm do together."""
    scale = norm.gamma.value * torch.rsqrt(norm.moving_variance.value + norm.epsilon)
    shift = norm.beta.value - norm.moving_mean.value * scale
    return kernel * scale, shift if bias is None else shift + bias * scale


def _norm(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    rank = len(source.shape)
    channels_last = axis % rank == rank - 1
    if rank != 4 or not (channels_last or axis == 1) or source.padding != (0, 0):
        return None
    if not (layer.center and layer.scale):
        return None
    to_images = _as_images(source, channels_last)
    dtype = _dtype(layer)

    def operation(context, x):
        return _batch_norm(context, layer, to_images(x).to(dtype))

    return Lowered(
        operation, Value(images=True, fresh=True, channels_last=channels_last)
    )


def _relu(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if isinstance(layer, layers.ReLU):
        if layer.max_value is not None or layer.negative_slope or layer.threshold:
            return None
    elif layer.activation is not keras.activations.relu:
        return None
    if source.padding != (0, 0):
        return None
    call = torch.relu_ if source.fresh and source.sole_use else torch.relu
    value = Value(
        images=source.images, nonnegative=True, channels_last=source.channels_last
    )
    return Lowered(lambda context, x: call(x), value)


def _add(layer, operands: list[Value], following) -> Lowered | None:
    if len(operands) != 2 or any(value.padding != (0, 0) for value in operands):
        return None
    if operands[0].shape != operands[1].shape:
        return None
    if not all(value.images for value in operands):
        return None
    first, second = operands
    value = Value(images=True, fresh=True, channels_last=first.channels_last)
    if first.fresh and first.sole_use:
        return Lowered(lambda context, x, y: x.add_(y), value)
    if second.fresh and second.sole_use:
        return Lowered(lambda context, x, y: y.add_(x), value)
    return Lowered(lambda context, x, y: x + y, value)


def _concatenate(layer, operands: list[Value], following) -> Lowered | None:
    channels_last = operands[0].channels_last
    axis = layer.axis % 4
    if axis != (3 if channels_last else 1):
        return None
    if not all(v.images and v.padding == (0, 0) for v in operands):
        return None
    value = Value(
        images=True,
        fresh=True,
        channels_last=channels_last,
        nonnegative=all(v.nonnegative for v in operands),
    )
    return Lowered(lambda context, *xs: torch.cat(xs, 1), value)


def _zero_padding(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    (top, bottom), (left, right) = layer.padding
    reader: Any = following.operation if following is not None else None
    symmetric = top == bottom and left == right and source.padding == (0, 0)
    takes_padding = type(reader) is layers.Conv2D or (
        # A pool pads with minus infinity: the same where nothing is below zero.
        type(reader) is layers.MaxPooling2D
        and source.nonnegative
        and source.images
        and top <= reader.pool_size[0] // 2
        and left <= reader.pool_size[1] // 2
    )
    if not (symmetric and takes_padding and reader.padding == "valid"):
        return None
    if _channels_last(reader) != _channels_last(layer):
        return None
    value = Value(
        images=source.images,
        nonnegative=source.nonnegative,
        padding=(top, left),
        channels_last=_channels_last(layer),
    )
    return Lowered(None, value)


def _pool(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if layer.padding != "valid" or len(source.shape) != 4:
        return None
    to_images = _as_images(source, _channels_last(layer))
    size, stride, padding = layer.pool_size, layer.strides, source.padding
    maximum = isinstance(layer, layers.MaxPooling2D)
    if not maximum and padding != (0, 0):
        return None

    def operation(context, x):
        x = to_images(x)
        if maximum:
            return F.max_pool2d(x, size, stride, padding)
        return F.avg_pool2d(x, size, stride)

    value = Value(
        images=True,
        fresh=True,
        nonnegative=source.nonnegative,
        channels_last=_channels_last(layer),
    )
    return Lowered(operation, value)


def _global_pool(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if not source.images or layer.keepdims or source.padding != (0, 0):
        return None
    return Lowered(lambda context, x: x.mean((2, 3)), Value(fresh=True))


def _adaptive_pool(layer, operands: list[Value], following) -> Lowered | None:
    """One pixel pooled to many, before a flattening: the copies are only noted."""
    (source,) = operands
    flattens = following is not None and type(following.operation) is layers.Flatten
    one_pixel = source.images and _map_size(source, _channels_last(layer)) == (1, 1)
    if not (flattens and one_pixel) or source.padding != (0, 0):
        return None
    height, width = layer.output_size
    value = Value(
        images=True, copies=height * width, channels_last=_channels_last(layer)
    )
    return Lowered(None, value)


def _flatten(layer, operands: list[Value], following) -> Lowered | None:
    """Flattened copies of one pixel: [N, C] if a dense layer follows, which need not
    see them all, else [N, copies * C]."""
    (source,) = operands
    copies = source.copies
    if copies == 1:
        return None
    if following is not None and type(following.operation) is layers.Dense:
        return Lowered(lambda context, x: x.flatten(1), Value(copies=copies))
    return Lowered(lambda context, x: x.flatten(1).repeat(1, copies), Value())


def _dense(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if len(source.shape) != 2:
        return None
    dtype, copies = _dtype(layer), source.copies

    def operation(context, x):
        kernel = layer.kernel.value.to(dtype)
        if copies > 1:  # equal inputs: their weights may be added up first
            kernel = kernel.view(copies, -1, layer.units).sum(0)
        if layer.bias is None:
            out = x.to(dtype) @ kernel
        else:
            out = torch.addmm(layer.bias.value.to(dtype), x.to(dtype), kernel)
        return layer.activation(out)

    linear = layer.activation is keras.activations.linear
    return Lowered(operation, Value(fresh=linear))


_RULES: dict[type, Callable[..., Lowered | None]] = {
    layers.Conv2D: _conv,
    layers.BatchNormalization: _norm,
    layers.ReLU: _relu,
    layers.Activation: _relu,
    layers.Add: _add,
    layers.Concatenate: _concatenate,
    layers.ZeroPadding2D: _zero_padding,
    layers.MaxPooling2D: _pool,
    layers.AveragePooling2D: _pool,
    layers.GlobalAveragePooling2D: _global_pool,
    layers.AdaptiveAveragePooling2D: _adaptive_pool,
    layers.Flatten: _flatten,
    layers.Dense: _dense,
}
