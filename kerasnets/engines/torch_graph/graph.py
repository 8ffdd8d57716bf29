"""Run a functional Keras model as direct torch calls on the same parameters.

Keras on PyTorch spends much of a small network's time on overhead: batch norm in five
passes, conversion of the kernels' memory layout at every call, Python for every layer.
Here the graph is traversed once and becomes a flat list of torch calls on Keras's own
variables, so that training, saving, loading and callbacks work unchanged.

Internally, images are [N, C, H, W] views of channels-last memory, whatever the model's
data format. Unknown layers are called through Keras.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import keras
import torch
from keras import layers

from kerasnets.engines.torch_graph.dense_block import pattern
from kerasnets.engines.torch_graph.kept_gradients import KeptGradients
from kerasnets.engines.torch_graph.layers import (
    lower,
    lower_dense_block,
    to_model_format,
)
from kerasnets.engines.torch_graph.seeded_dropout import SeededDropout
from kerasnets.engines.torch_graph.values import Context, Operation, Value, parameter


@dataclass
class Step:
    """One operation: `slots[output] = operation(*slots[inputs])`. The slots in `free`,
    which are not read again, are cleared.

    Attributes:
        weights: weights of the layers that it implements.
        norms: the batch norms among these layers.
    """

    operation: Operation
    inputs: list[int]
    output: int
    weights: list[torch.Tensor] = field(default_factory=list)
    norms: list[Any] = field(default_factory=list)
    free: list[int] = field(default_factory=list)

    def is_fixed(self, operands: list[torch.Tensor]) -> bool:
        """Whether training changes neither the operation nor its operands: its layers
        and all layers before it are frozen."""
        return (
            bool(self.weights)
            and not any(tensor.requires_grad for tensor in operands)
            and not any(weight.requires_grad for weight in self.weights)
            and not any(norm.trainable for norm in self.norms)
        )


class TorchGraph:
    """The lowered form of a functional model with one input and one output.

    Args:
        blocks: whether to implement each dense block as one operation.

    Raises:
        ValueError: the model is not functional, or has several inputs or outputs.
    """

    def __init__(self, model: keras.Model, *, blocks: bool = True) -> None:
        if not hasattr(model, "_nodes_by_depth"):
            raise ValueError(f"{model.name} is not a functional model")
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(f"{model.name} has several inputs or outputs")
        self.steps = _lower(model, blocks)
        self.dropouts = [
            step.operation
            for step in self.steps
            if isinstance(step.operation, SeededDropout)
        ]
        # Set by a training step that uses kept gradients.
        self.kept: KeptGradients | None = None

    def __call__(self, images: torch.Tensor, *, training: bool) -> torch.Tensor:
        """The model's output for images in the model's own data format."""
        context = Context(training, self.kept)
        inference = Context(training=False)
        slots: list[Any] = [None] * (len(self.steps) + 1)
        slots[0] = images
        for step in self.steps:
            operands = [slots[index] for index in step.inputs]
            for index in step.free:
                slots[index] = None
            if training and step.is_fixed(operands):
                # As in inference, with folded norms and without saved activations.
                with torch.no_grad():
                    slots[step.output] = step.operation(inference, *operands)
            else:
                slots[step.output] = step.operation(context, *operands)
            del operands
        context.update_moving_statistics()
        return slots[self.steps[-1].output]


# Layers that behave the same in training and inference when frozen.
_FIXABLE = (layers.Conv2D, layers.BatchNormalization, layers.Dense)


def _fixable(made: list[Any]) -> tuple[list[torch.Tensor], list[Any]]:
    """Weights and batch norms of an operation's layers; empty if one of the layers may
    behave differently in training."""
    weighted = [layer for layer in made if layer.weights]
    if not all(type(layer) in _FIXABLE for layer in weighted):
        return [], []
    weights = [parameter(weight) for layer in weighted for weight in layer.weights]
    norms = [one for one in weighted if type(one) is layers.BatchNormalization]
    return weights, norms


def _lower(model: keras.Model, blocks: bool) -> list[Step]:
    nodes = [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if not node.is_input
    ]
    reading: dict[int, list[Any]] = defaultdict(list)
    for node in nodes:
        for tensor in node.input_tensors:
            reading[id(tensor)].append(node)
    reading[id(model.outputs[0])].append(None)

    def readers(tensor) -> list[Any]:
        """The nodes that read a tensor; None stands for the model's own output."""
        return reading[id(tensor)]

    values = {id(model.inputs[0]): Value(slot=0, shape=model.inputs[0].shape)}
    steps: list[Step] = []
    absorbed: set[int] = set()
    for node in nodes:
        if id(node) in absorbed:
            continue
        operands = [values[id(tensor)] for tensor in node.input_tensors]
        for operand, tensor in zip(operands, node.input_tensors, strict=True):
            operand.sole_use = len(readers(tensor)) == 1
        found = pattern.find(node, operands[0], readers) if blocks else None
        if found:
            lowered = lower_dense_block(found.block, operands[0])
            stands_for = found.nodes
        else:
            after = readers(node.outputs[0])
            following = after[0] if len(after) == 1 else None
            lowered = lower(node.operation, operands, following)
            stands_for = [node, following] if lowered.absorbs_next else [node]
        absorbed.update(map(id, stands_for))
        end = stands_for[-1].outputs[0]
        value = lowered.value
        value.shape = end.shape
        if lowered.operation is None:
            value.slot = operands[0].slot
        else:
            value.slot = len(steps) + 1
            inputs = [operand.slot for operand in operands]
            made = [one.operation for one in stands_for]
            steps.append(Step(lowered.operation, inputs, value.slot, *_fixable(made)))
        values[id(end)] = value
    end = to_model_format(values[id(model.outputs[0])])
    if end:
        slot = values[id(model.outputs[0])].slot
        steps.append(Step(end, [slot], len(steps) + 1))
    seen: set[int] = set()
    for step in reversed(steps):
        step.free = [index for index in set(step.inputs) if index not in seen]
        seen.update(step.inputs)
    return steps
