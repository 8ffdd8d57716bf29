"""Put the lowered graph in the place of a model's own call, and take it out again.

`fit`, `evaluate`, `predict`, callbacks, metrics and saving stay Keras's: only what
happens between the images and the logits changes.
"""

from typing import Any

import keras
import torch

from kerasnets.engines.torch_graph import TorchGraph


def install(model: keras.Model) -> None:
    """Run `model` through `TorchGraph` from now on.

    Raises:
        ValueError: the model is not functional with one input and one output.
    """
    original = model.call
    graph = TorchGraph(model)

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        symbolic = isinstance(inputs, keras.KerasTensor)
        if not symbolic:
            inputs = keras.ops.convert_to_tensor(inputs)
        # Keras traces shapes alone with symbolic and "meta" tensors.
        if symbolic or inputs.device.type == "meta":
            return original(inputs, training=training, mask=mask)
        return graph(inputs, training=bool(training))

    call.original = original  # type: ignore[attr-defined]
    model.call = call
    if model.compiled and model.optimizer.built:
        _store_alike(model)


def uninstall(model: keras.Model) -> None:
    """Give `model` its own call back."""
    model.call = model.call.original


def _store_alike(model: keras.Model) -> None:
    """Keep the optimizer's momenta in the memory order of their weights, so that an
    update reads and writes straight through. Shapes and values stay."""
    weights = [weight.value for weight in model.trainable_weights]
    # Step count and learning rate come first, then one slot a weight, kind by kind.
    slots = [v.value for v in model.optimizer.variables if v.shape != ()]
    for first in range(0, len(slots), len(weights)):
        group = slots[first : first + len(weights)]
        if [slot.shape for slot in group] != [weight.shape for weight in weights]:
            return
        for slot, weight in zip(group, weights, strict=True):
            slot.data = torch.empty_like(weight).copy_(slot)
