"""Find dense blocks in the graph of a functional model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from keras import activations, layers

from kerasnets.engines.torch_graph.dense_block.block import DenseBlock, DenseLayer
from kerasnets.engines.torch_graph.values import (
    Value,
    dtype_of,
    is_channels_last,
    is_plain_relu,
    map_size,
    parameter,
)

# Layer types of a dense layer's nodes, in order, before the concatenation.
_KINDS = (
    *(layers.BatchNormalization, layers.ReLU, layers.Conv2D),
    *(layers.BatchNormalization, layers.ReLU, layers.Conv2D),
)
Readers = Callable[[Any], Sequence[Any]]


@dataclass
class Found:
    """A dense block, and the graph nodes that it replaces; the last node's output is
    the block's."""

    block: DenseBlock
    nodes: list[Any]


def find(node: Any, source: Value, readers: Readers) -> Found | None:
    """The dense block that begins with `node`, if there is one that `DenseBlock`
    supports: on a CPU, in its weights' dtype or bfloat16, with maps of known size.

    Args:
        source: properties of the node's input.
        readers: returns the nodes that read a tensor; None stands for the model's
            output.
    """
    if type(node.operation) is not layers.BatchNormalization:
        return None
    height, width = map_size(source, source.channels_last)
    if not source.images or source.padding != (0, 0):
        return None
    if height is None or width is None:
        return None
    found: list[DenseLayer] = []
    nodes: list[Any] = []
    while len(both := readers(node.input_tensors[0])) == 2:
        chain = _chain(node, readers, _KINDS)
        last = both[1] if both[0] is node else both[0]
        if chain is None or not _appends(last, node, chain[-1], readers):
            return None
        norm1, _, conv1, norm2, _, conv2 = (one.operation for one in chain)
        found.append(DenseLayer(norm1, conv1, norm2, conv2))
        nodes += [*chain, last]
        after = readers(last.outputs[0])
        node = next((one for one in after if _kind(one) is _KINDS[0]), None)
        if node is None:
            return None
    end = _chain(node, readers, _KINDS[:2])
    if not found or end is None or len(both) != 1:
        return None
    norm = end[0].operation
    if not _computable(found, norm, source.channels_last):
        return None
    return Found(DenseBlock(found, norm, height, width), nodes + end)


def _chain(node: Any, readers: Readers, kinds: Sequence[type]) -> list[Any] | None:
    """Nodes of these types beginning with `node`, each the only reader of the previous
    one; None if there is no such chain."""
    chain = [node]
    for _ in kinds[1:]:
        following = readers(chain[-1].outputs[0])
        if len(following) != 1 or following[0] is None:
            return None
        chain.append(following[0])
    return chain if [*map(_kind, chain)] == [*kinds] else None


def _kind(node: Any) -> type | None:
    """The type of a node's layer; None for the model's output and for a ReLU that is
    not max(x, 0)."""
    if node is None:
        return None
    layer = node.operation
    if type(layer) is layers.ReLU and not is_plain_relu(layer):
        return None
    return type(layer)


def _appends(node: Any, norm: Any, conv: Any, readers: Readers) -> bool:
    """Whether a node concatenates the input of `norm` and the output of `conv`, in this
    order, and is the only reader of the latter."""
    tensors = [id(norm.input_tensors[0]), id(conv.outputs[0])]
    return (
        _kind(node) is layers.Concatenate
        and [id(tensor) for tensor in node.input_tensors] == tensors
        and len(readers(conv.outputs[0])) == 1
    )


def _computable(found: list[DenseLayer], norm: Any, channels_last: bool) -> bool:
    first = [layer.norm1 for layer in found] + [norm]
    norms = first + [layer.norm2 for layer in found]
    convs = [conv for layer in found for conv in (layer.conv1, layer.conv2)]
    return (
        parameter(norm.gamma).device.type == "cpu"
        and len({one.epsilon for one in first}) == 1
        and len({layer.conv2.filters for layer in found}) == 1
        and len({dtype_of(one) for one in norms + convs}) == 1
        and dtype_of(norm) in (parameter(norm.gamma).dtype, torch.bfloat16)
        and all(_plain_norm(one, channels_last) for one in norms)
        and all(
            _plain_conv(conv, size, channels_last)
            for layer in found
            for conv, size in ((layer.conv1, 1), (layer.conv2, 3))
        )
    )


def _plain_norm(norm: Any, channels_last: bool) -> bool:
    axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
    return norm.center and norm.scale and axis % 4 == (3 if channels_last else 1)


def _plain_conv(conv: Any, size: int, channels_last: bool) -> bool:
    return (
        conv.kernel_size == (size, size)
        and conv.strides == (1, 1)
        and conv.dilation_rate == (1, 1)
        and conv.groups == 1
        and (conv.padding == "same" or size == 1)
        and not conv.use_bias
        and conv.activation is activations.linear
        and is_channels_last(conv) == channels_last
    )
