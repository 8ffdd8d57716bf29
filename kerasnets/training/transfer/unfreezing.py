"""Frozen layers that begin to learn after some epochs.

The optimizer has variables for all layers from the first step on, so that checkpoints
before and after unfreezing have the same arrays.
"""

from typing import Any

import keras

from kerasnets.networks.stages import freeze


def unfreeze(model: keras.Model) -> None:
    """Make all layers of a compiled model trainable, between two calls of its `fit`."""
    freeze(model, "none")
    model.train_function = None  # compiled for the layers trainable before


def allow(model: keras.Model) -> None:
    """Let JAX steps update a subset of the weights that the optimizer was built for.

    Keras's own steps require all of them, in the optimizer's order.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)

    def stateless_apply(
        variables: list[Any], gradients: list[Any], values: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        trained = model.trainable_variables
        state = [
            *zip(trained, values, strict=True),
            *zip(optimizer.variables, variables, strict=True),
        ]
        with keras.StatelessScope(state_mapping=state) as scope:
            optimizer.apply(gradients, trained)
        return (
            [scope.get_current_value(one) for one in trained],
            [scope.get_current_value(one) for one in optimizer.variables],
        )

    optimizer.stateless_apply = stateless_apply
