"""Keras layers as torch operations on the layers' own variables.

The rules are exact, not approximate: same parameters, results, gradients and moving
statistics.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch
from keras import layers
from torch.nn import functional as F

from kerasnets.engines.torch_graph.convolution.lowering import (
    lower_convolution,
    lower_norm,
)
from kerasnets.engines.torch_graph.dense_block.block import DenseBlock
from kerasnets.engines.torch_graph.seeded_dropout import SeededDropout, is_seeded
from kerasnets.engines.torch_graph.tiled_dense import RepeatedDense, add_copies
from kerasnets.engines.torch_graph.values import (
    Lowered,
    Operation,
    Value,
    as_images,
    dtype_of,
    is_channels_last,
    is_plain_relu,
    map_size,
    parameter,
)
from kerasnets.engines.torch_graph.weight_cache import Derived


def lower(layer: Any, operands: list[Value], following: Any) -> Lowered:
    """The operation of a layer.

    Args:
        operands: its inputs.
        following: the only node that reads its output, or None.
    """
    rule = _RULES.get(type(layer))
    lowered = rule(layer, operands, following) if rule else None
    return lowered or _called_as_it_is(layer, operands)


def lower_dense_block(block: DenseBlock, source: Value) -> Lowered:
    """The operation of a whole dense block, including the final ReLU."""
    value = Value(images=True, nonnegative=True, channels_last=source.channels_last)
    return Lowered(block, value)


def to_model_format(value: Value) -> Operation | None:
    """The conversion of the output to the model's data format, or None if not
    needed."""
    if value.images and value.channels_last:
        return lambda context, x: x.permute(0, 2, 3, 1)
    return None


def _called_as_it_is(layer, operands: list[Value]) -> Lowered:
    """The fallback for any layer: Keras's call, on tensors in Keras's format."""
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


def _relu(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if isinstance(layer, layers.ReLU):
        if not is_plain_relu(layer):
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
        # A pool pads with minus infinity, equivalent to zeros for nonnegative input.
        type(reader) is layers.MaxPooling2D
        and source.nonnegative
        and source.images
        and top <= reader.pool_size[0] // 2
        and left <= reader.pool_size[1] // 2
    )
    if not (symmetric and takes_padding and reader.padding == "valid"):
        return None
    if is_channels_last(reader) != is_channels_last(layer):
        return None
    value = Value(
        images=source.images,
        nonnegative=source.nonnegative,
        padding=(top, left),
        channels_last=is_channels_last(layer),
    )
    return Lowered(None, value)


def _pool(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if layer.padding != "valid" or len(source.shape) != 4:
        return None
    to_images = as_images(source, is_channels_last(layer))
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
        channels_last=is_channels_last(layer),
    )
    return Lowered(operation, value)


def _global_pool(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if not source.images or layer.keepdims or source.padding != (0, 0):
        return None
    return Lowered(lambda context, x: x.mean((2, 3)), Value(fresh=True))


def _repeat_pixel(layer, operands: list[Value], following) -> Lowered | None:
    """Repetition of one pixel before flattening: only the number of copies is
    recorded."""
    (source,) = operands
    flattens = following is not None and type(following.operation) is layers.Flatten
    one_pixel = source.images and map_size(source, is_channels_last(layer)) == (1, 1)
    if not (flattens and one_pixel) or source.padding != (0, 0):
        return None
    repeats = type(layer) is layers.UpSampling2D
    height, width = layer.size if repeats else layer.output_size
    value = Value(
        images=True, copies=height * width, channels_last=is_channels_last(layer)
    )
    return Lowered(None, value)


def _flatten(layer, operands: list[Value], following) -> Lowered | None:
    """Flattened copies of one pixel: [N, C] if a dense layer follows, which handles the
    copies, else [N, copies * C]."""
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
    dtype, copies = dtype_of(layer), source.copies

    def views(kernel):
        return list(kernel.view(copies, -1, layer.units))

    kernel = parameter(layer.kernel)
    bias = None if layer.bias is None else parameter(layer.bias)

    summed = Derived(lambda: add_copies(kernel, copies, dtype), kernel)

    def operation(context, x):
        if context.training or torch.is_grad_enabled():
            summed.forget()
            keep = context.kept and context.kept.keep(kernel, views, shared=copies > 1)
            out = RepeatedDense.apply(x.to(dtype), kernel, copies, keep)
        else:
            out = x.to(dtype) @ summed()
        if bias is not None:
            out = out.add_(bias.to(dtype))
        return layer.activation(out)

    linear = layer.activation is keras.activations.linear
    return Lowered(operation, Value(fresh=linear))


def _dropout(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    if not is_seeded(layer) or len(source.shape) != 2:
        return None
    units = source.shape[1]
    return None if units is None else Lowered(SeededDropout(layer, units), Value())


_RULES: dict[type, Callable[..., Lowered | None]] = {
    layers.Conv2D: lower_convolution,
    layers.BatchNormalization: lower_norm,
    layers.ReLU: _relu,
    layers.Activation: _relu,
    layers.Add: _add,
    layers.Concatenate: _concatenate,
    layers.ZeroPadding2D: _zero_padding,
    layers.MaxPooling2D: _pool,
    layers.AveragePooling2D: _pool,
    layers.GlobalAveragePooling2D: _global_pool,
    layers.AdaptiveAveragePooling2D: _repeat_pixel,
    layers.UpSampling2D: _repeat_pixel,
    layers.Flatten: _flatten,
    layers.Dense: _dense,
    layers.Dropout: _dropout,
}
