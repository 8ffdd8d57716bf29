"""Keras's training step on PyTorch, with a precomputed list of weights.

Keras computes this list three times per step by traversing all layers, and PyTorch
traverses them again to clear the gradients; for a network with hundreds of layers this
takes milliseconds.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch

from kerasnets.engines.torch_graph.values import parameter


def adds_no_loss(model: keras.Model) -> bool:
    """Whether the compiled loss is the only loss: there are no regularizers and no
    custom layers, which could add losses."""
    layers = [layer for layer in model._flatten_layers() if layer is not model]
    return not any(variable.regularizer for variable in model.weights) and all(
        type(layer).__module__.startswith("keras.")
        and getattr(layer, "activity_regularizer", None) is None
        for layer in layers
    )


def training_step(model: keras.Model) -> Callable[[Any], dict[str, Any]]:
    """A replacement of `keras.Model.train_step` for a compiled model with fixed layers
    and without loss scaling. Weights may be frozen and unfrozen."""
    own_loss = getattr(model.compute_loss, "__func__", None)
    alone = adds_no_loss(model) and own_loss is keras.Model.compute_loss
    weights = [(variable, parameter(variable)) for variable in model.weights]

    def step(data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        trained = [(v, tensor) for v, tensor in weights if tensor.requires_grad]
        for _, tensor in trained:
            tensor.grad = None
        y_pred = model(x, training=True)
        if alone:  # Keras would query every layer for additional losses
            loss = model._compile_loss(y, y_pred, sample_weight)
        else:
            loss = model._compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
            )
        model._loss_tracker.update_state(loss, sample_weight=len(x))
        if trained:
            loss.backward()
            gradients = [tensor.grad for _, tensor in trained]
            with torch.no_grad():
                model.optimizer.apply(gradients, [variable for variable, _ in trained])
        return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    return step
