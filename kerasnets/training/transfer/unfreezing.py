"""Frozen layers that learn after some epochs.

The optimizer has variables for all layers from the first step on: checkpoints before
and after have the same form.
"""

from typing import Any

import keras

from kerasnets.networks.stages import freeze


def unfreeze(model: keras.Model) -> None:
    """Let all layers of a compiled model learn, between two calls of its `fit`."""
    freeze(model, "none")
    model.train_function = None  # compiled for the others


def allow(model: keras.Model) -> None:
    """Let steps on JAX update a part of the weights that the optimizer was built for.

    Keras's own take all of them, in the optimizer's order.
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
