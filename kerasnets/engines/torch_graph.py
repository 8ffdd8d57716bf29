"""A functional Keras model run as direct torch calls on the same parameters.

Keras on PyTorch spends much of a small network's time between the torch calls: batch
norm as five passes, kernels laid out anew at every call, Python for every layer. Here
the graph is walked once; running it is a flat list of torch calls on the variables
that Keras owns, so that saving, loading, callbacks and optimizers see no difference.

Images are [N, C, H, W] views of channels-last memory inside, whatever the model says.
A layer that is not known here is called as it is.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import torch

from kerasnets.engines import torch_ops as ops

Call = Callable[..., torch.Tensor]


@dataclass
class Step:
    """One call: `out = call(*(slots[i] for i in inputs))`, then `free` is dropped."""

    name: str
    call: Call
    inputs: list[int]
    output: int
    free: list[int] = field(default_factory=list)


class TorchGraph:
    """The lowered form of `model`.

    Args:
        model: a built functional model with one input and one output.

    Raises:
        ValueError: the model is not functional, or has several inputs or outputs.
    """

    def __init__(self, model: keras.Model) -> None:
        if not isinstance(model, keras.models.Model) or not hasattr(
            model, "_nodes_by_depth"
        ):
            raise ValueError(f"{model.name} is not a functional model")
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(f"{model.name} has several inputs or outputs")
        self.model = model
        self._steps = _lower(model)
        self._slots = 1 + max(step.output for step in self._steps)

    def __call__(self, images: torch.Tensor, *, training: bool) -> torch.Tensor:
        """The model's output for a batch in the model's own data format."""
        statistics = ops.MovingStatistics()
        slots: list[Any] = [None] * self._slots
        slots[0] = images
        for step in self._steps:
            slots[step.output] = step.call(
                *(slots[i] for i in step.inputs),
                training=training,
                statistics=statistics,
            )
            for index in step.free:
                slots[index] = None
        statistics.update()
        return slots[self._steps[-1].output]


def _lower(model: keras.Model) -> list[Step]:
    nodes = [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if not node.is_input
    ]
    uses = Counter(id(t) for node in nodes for t in node.input_tensors)
    uses[id(model.outputs[0])] += 1
    slot_of = {id(model.inputs[0]): 0}
    facts = {id(model.inputs[0]): ops.Value()}
    steps: list[Step] = []
    for node in nodes:
        operands = [facts[id(t)] for t in node.input_tensors]
        for operand, tensor in zip(operands, node.input_tensors, strict=True):
            operand.shape = tuple(tensor.shape)
            operand.sole_use = uses[id(tensor)] == 1
        lowered = ops.lower(node.operation, operands, node)
        facts[id(node.outputs[0])] = lowered.value
        inputs = [slot_of[id(t)] for t in node.input_tensors]
        if lowered.call is None:  # only notes something for the layer that follows
            slot_of[id(node.outputs[0])] = inputs[0]
            continue
        slot_of[id(node.outputs[0])] = len(steps) + 1
        steps.append(Step(node.operation.name, lowered.call, inputs, len(steps) + 1))
    _free_after_last_use(steps, keep=slot_of[id(model.outputs[0])])
    return steps
