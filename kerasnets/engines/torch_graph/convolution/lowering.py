"""Convolution and batch norm as torch operations, separate and fused."""

from collections.abc import Callable
from typing import Any

import keras
import torch
from keras import layers
from torch.nn import functional as F

from kerasnets.engines.torch_graph.convolution import whole_maps
from kerasnets.engines.torch_graph.convolution.library import Convolution
from kerasnets.engines.torch_graph.convolution.small_maps import SmallMapConv, taps
from kerasnets.engines.torch_graph.values import (
    Context,
    Lowered,
    Value,
    as_images,
    dtype_of,
    is_channels_last,
    map_size,
    parameter,
    store,
)
from kerasnets.engines.torch_graph.weight_cache import Derived

# When a convolution is computed as matrix products on a CPU (docs/performance.md): if
# its kernel has one tap and its output at most ONE_TAP_PIXELS; if a single tap meets
# the map; or for at most SMALL_MAP_PIXELS and enough channels to outweigh the overhead
# of Python.
ONE_TAP_PIXELS = 64
SMALL_MAP_PIXELS = 4
SMALL_MAP_CHANNELS = 256 * 256  # in times out


def lower_convolution(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    padding = _conv_padding(layer, source)
    if layer.groups != 1 or set(layer.dilation_rate) != {1} or padding is None:
        return None
    if layer.activation is not keras.activations.linear:
        return None
    to_images = as_images(source, is_channels_last(layer))
    forward = _conv_forward(layer, source, padding)
    norm: Any = following.operation if following is not None else None
    fuse = type(norm) is layers.BatchNormalization and _normalizes_channels(norm, layer)
    dtype = dtype_of(layer)
    kernel = parameter(layer.kernel)
    bias = parameter(layer.bias) if layer.use_bias else None

    if fuse:
        sources = [kernel, *map(parameter, norm.variables)]
        sources += [] if bias is None else [bias]
        folded = Derived(lambda: _folded(kernel, bias, norm, dtype), *sources)

    def operation(context, x):
        x = to_images(x).to(dtype)
        if not fuse:
            return forward(context, x, kernel, bias)
        if context.training:
            folded.forget()
            return batch_norm(context, norm, forward(context, x, kernel, bias))
        return forward(context, x, *folded())

    value = Value(images=True, fresh=True, channels_last=is_channels_last(layer))
    return Lowered(operation, value, absorbs_next=fuse)


def _conv_padding(layer, source: Value) -> tuple[int, int] | None:
    """The symmetric padding of a convolution's input, or None if it is not
    symmetric."""
    if layer.padding == "valid":
        return source.padding
    odd = all(size % 2 for size in layer.kernel_size)
    if layer.padding == "same" and odd and set(layer.strides) == {1}:
        rows, columns = source.padding
        return (rows + layer.kernel_size[0] // 2, columns + layer.kernel_size[1] // 2)
    return None


def _conv_forward(layer, source: Value, padding: tuple[int, int]) -> Callable:
    """f(context, x [N, C, H, W], kernel [h, w, I, O], bias) -> [N, O, H', W']."""
    stride, dtype = layer.strides, dtype_of(layer)
    product = _as_product(layer, source, padding)
    if product:
        return product
    store(parameter(layer.kernel), (3, 0, 1, 2))

    def convolution(context, x, kernel, bias):
        bias = bias if bias is None else bias.to(dtype)
        keep = context.kept and context.kept.keep(kernel, lambda whole: [whole])
        return Convolution.apply(x, kernel, bias, stride, padding, keep)

    return convolution


def _as_product(layer, source: Value, padding: tuple[int, int]) -> Callable | None:
    """As `_conv_forward`, by matrix products, or None if those are not faster."""
    (size, width_), (stride, stride_) = layer.kernel_size, layer.strides
    height, width = map_size(source, is_channels_last(layer))
    centered = size % 2 == 1 and padding == (size // 2, size // 2)
    if parameter(layer.kernel).device.type != "cpu" or not centered:
        return None
    if size != width_ or stride != stride_ or height is None or width is None:
        return None
    pixels = -(-height // stride) * -(-width // stride)
    enough = layer.filters * layer.kernel.shape[2] >= SMALL_MAP_CHANNELS
    dtype = dtype_of(layer)
    if size == 1 and pixels <= ONE_TAP_PIXELS:
        return _pixel_by_pixel(stride, dtype)
    met = taps(height, width, size, stride)
    if not (len(met) == pixels == 1) and not (pixels <= SMALL_MAP_PIXELS and enough):
        return None

    def views(kernel):
        return [kernel[tap.place] for tap in met]

    def product(context, x, kernel, bias):
        keep = context.kept and context.kept.keep(kernel, views)
        maps = x.permute(0, 2, 3, 1)
        if whole_maps.suits(maps.shape, kernel.shape, stride):
            out = whole_maps.WholeMapConv.apply(maps, kernel, keep)
        else:
            out = SmallMapConv.apply(maps, kernel, stride, keep)
        out = out if bias is None else out + bias.to(dtype)
        return out.permute(0, 3, 1, 2)

    return product


def _pixel_by_pixel(stride: int, dtype: torch.dtype) -> Callable:
    """A 1x1 kernel at every pixel, or every `stride`-th."""

    def product(context, x, kernel, bias):
        keep = context.kept and context.kept.keep(kernel, lambda whole: [whole[0, 0]])
        rows = x.permute(0, 2, 3, 1)[:, ::stride, ::stride]
        shape = (*rows.shape[:3], kernel.shape[3])
        # Each pixel is treated as a 1x1 map.
        rows = rows.reshape(-1, 1, 1, kernel.shape[2])
        out = SmallMapConv.apply(rows, kernel, 1, keep)
        out = out if bias is None else out + bias.to(dtype)
        return out.view(shape).permute(0, 3, 1, 2)

    return product


def _normalizes_channels(norm, conv) -> bool:
    axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
    channel = 3 if is_channels_last(conv) else 1
    return axis % 4 == channel and norm.center and norm.scale


def batch_norm(context: Context, norm, x: torch.Tensor) -> torch.Tensor:
    gamma, beta = parameter(norm.gamma), parameter(norm.beta)
    if not context.training or not norm.trainable:
        mean, variance = parameter(norm.moving_mean), parameter(norm.moving_variance)
        return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, norm.epsilon)
    arguments = (x, gamma, beta, None, None, True, 0.0, norm.epsilon)
    if _cudnn_is_faster(x, norm.epsilon):
        out, mean, inverse_std, _ = torch.ops.aten.cudnn_batch_norm(*arguments)
    else:
        out, mean, inverse_std = torch.native_batch_norm(*arguments)
    context.gather(norm, mean, inverse_std)
    return out


def _cudnn_is_faster(x: torch.Tensor, epsilon: float) -> bool:
    """Whether to use cuDNN: on CUDA it took 3 to 38 % less time for every map measured,
    but it does not support half precision with float32 weights. Under torch.compile,
    the native norm is fused with the following operations."""
    return (
        not torch.compiler.is_compiling()
        and x.is_cuda
        and x.dtype is torch.float32
        and torch.backends.cudnn.enabled
        and epsilon >= 1e-5
    )


def scale_and_shift(norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift such that the norm in inference is x * scale + shift."""
    variance = parameter(norm.moving_variance)
    scale = parameter(norm.gamma) * torch.rsqrt(variance + norm.epsilon)
    return scale, parameter(norm.beta) - parameter(norm.moving_mean) * scale


def _folded(kernel, bias, norm, dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias of a convolution fused with its batch norm."""
    scale, shift = scale_and_shift(norm)
    return (kernel * scale).to(dtype), shift if bias is None else shift + bias * scale


def lower_norm(layer, operands: list[Value], following) -> Lowered | None:
    (source,) = operands
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    rank = len(source.shape)
    channels_last = axis % rank == rank - 1
    if rank != 4 or not (channels_last or axis == 1) or source.padding != (0, 0):
        return None
    if not (layer.center and layer.scale):
        return None
    to_images = as_images(source, channels_last)
    dtype = dtype_of(layer)

    def operation(context, x):
        return batch_norm(context, layer, to_images(x).to(dtype))

    return Lowered(
        operation, Value(images=True, fresh=True, channels_last=channels_last)
    )
