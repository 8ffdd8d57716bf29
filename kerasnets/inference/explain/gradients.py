"""Gradients of class scores, under every backend."""

from typing import Any

import keras
import numpy as np


def score_gradients(
    model: keras.Model, inputs: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """The gradient of each row's class score with respect to the row.

    Args:
        model: outputs scores [N, classes], each row independent of the others, as in
            inference.
        inputs: float32 [N, ...].
        classes: int64 [N], the class of each row.

    Returns:
        float32, of the shape of `inputs`.
    """
    chosen = np.eye(model.output_shape[-1], dtype="float32")[classes]
    backend = keras.backend.backend()
    gradients = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[backend]
    return np.asarray(gradients(model, inputs, chosen), "float32")


def _torch(model: keras.Model, inputs: np.ndarray, chosen: np.ndarray) -> Any:
    import torch

    rows = keras.ops.convert_to_tensor(inputs).detach().requires_grad_()
    with torch.enable_grad():
        scores = model(rows, training=False)
        total = (scores * keras.ops.convert_to_tensor(chosen)).sum()
        (gradient,) = torch.autograd.grad(total, rows)
    return gradient.cpu().numpy()


def _jax(model: keras.Model, inputs: np.ndarray, chosen: np.ndarray) -> Any:
    import jax

    return jax.grad(lambda rows: (model(rows, training=False) * chosen).sum())(
        keras.ops.convert_to_tensor(inputs)
    )


def _tensorflow(model: keras.Model, inputs: np.ndarray, chosen: np.ndarray) -> Any:
    import tensorflow

    rows = tensorflow.convert_to_tensor(inputs)
    with tensorflow.GradientTape() as tape:
        tape.watch(rows)
        total = tensorflow.reduce_sum(model(rows, training=False) * chosen)
    return tape.gradient(total, rows)
