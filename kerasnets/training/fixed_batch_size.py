"""Batches of constant size, for backends that compile a step for each batch size.

The last batch of an epoch is padded with blank images of weight 0. The loss, its mean
over the epoch, the accuracy and batch norm's statistics ignore them: the numbers equal
those of the short batch up to rounding.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnets.compute.runtime import Session


def are_needed(session: Session) -> bool:
    """Whether a batch of another size requires another compilation."""
    return session.backend != "torch"


def install(model: keras.Model) -> None:
    """Make the steps of a compiled model accept (images, labels, weights).

    Weights, float32 [B], are 0 for padding and B / (number of real images) for the
    others, because Keras divides a loss by B. Steps without weights are unchanged.
    """
    weighing = _Weighing()
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer._moments = weighing.moments(layer)
    tracker = model._loss_tracker
    tracker.update_state = weighing.mean(tracker.update_state)
    model.train_step = weighing.step(model.train_step)
    model.test_step = weighing.step(model.test_step)


class _Weighing:
    """The weights of the step that is being traced."""

    weights: Any = None

    def step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            data = arguments[-1]  # on JAX, the state comes before it
            self.weights = data[2] if len(data) == 3 else None
            try:
                return original(*arguments)
            finally:
                self.weights = None

        return step

    def moments(self, layer: keras.layers.BatchNormalization) -> Callable[..., Any]:
        """Mean and variance over the real images, replacing the layer's own."""
        original = layer._moments

        def moments(inputs: Any, mask: Any) -> tuple[Any, Any]:
            if self.weights is None:
                return original(inputs, mask)
            axes = layer._reduction_axes
            places = 1
            for axis in axes[1:]:
                places *= inputs.shape[axis]
            shares = self.weights / (ops.sum(self.weights) * places)
            shares = ops.reshape(shares, (-1, *(1,) * (len(inputs.shape) - 1)))
            mean = ops.sum(inputs * shares, axes, keepdims=True)
            variance = ops.sum(ops.square(inputs - mean) * shares, axes)
            return ops.reshape(mean, (-1,)), variance

        return moments

    def mean(self, update_state: Callable[..., None]) -> Callable[..., None]:
        """The loss tracker's update, weighted by the number of real images."""

        def update(values: Any, sample_weight: Any = None) -> None:
            if self.weights is not None:
                sample_weight = ops.sum(ops.cast(self.weights > 0, "float32"))
            update_state(values, sample_weight=sample_weight)

        return update
