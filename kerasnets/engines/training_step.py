"""Keras's training step on PyTorch, with the list of weights made once.

Keras makes it three times a step, by walking through all layers, and lets PyTorch walk
through them once more to clear the gradients; for a network of hundreds of layers that
takes milliseconds.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch

from kerasnets.engines.torch_lowering import parameter


def training_step(model: keras.Model) -> Callable[[Any], dict[str, Any]]:
    """What `keras.Model.train_step` does for a compiled model whose layers stay the
    same and whose optimizer scales no loss. Weights may be frozen and freed."""
    weights = [(variable, parameter(variable)) for variable in model.weights]

    def step(data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        trained = [(v, tensor) for v, tensor in weights if tensor.requires_grad]
        for _, tensor in trained:
            tensor.grad = None
        y_pred = model(x, training=True)
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
