"""The optimizer of a recipe."""

from typing import Any

import keras
from keras import ops

from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import L2


class _CoupledDecay(keras.optimizers.Optimizer):
    """Adds `coupled_decay` times a weight to its gradient, after the gradient was
    clipped and before momentum and scaling take it in: the weight_decay of
    torch.optim's SGD, Adam and RMSprop.

    Weights that `exclude_from_weight_decay` was told of are left out.
    """

    def __init__(
        self, *arguments: Any, coupled_decay: float = 0.0, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.coupled_decay = coupled_decay

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        decayed = [
            ops.add(gradient, ops.multiply(weight, self.coupled_decay))
            if self._use_weight_decay(weight)
            else gradient
            for gradient, weight in zip(grads, trainable_variables, strict=True)
        ]
        super()._backend_update_step(decayed, trainable_variables, learning_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coupled_decay": self.coupled_decay}


# Keras makes objects of other classes, which the backend computes faster.
_Sgd: Any
_Adam: Any
_RMSprop: Any
_Sgd, _Adam, _RMSprop = (
    type(kind.__new__(kind))
    for kind in (
        keras.optimizers.SGD,
        keras.optimizers.Adam,
        keras.optimizers.RMSprop,
    )
)


@keras.saving.register_keras_serializable("kerasnets")
class SGD(_CoupledDecay, _Sgd):
    pass


@keras.saving.register_keras_serializable("kerasnets")
class Adam(_CoupledDecay, _Adam):
    pass


@keras.saving.register_keras_serializable("kerasnets")
class RMSprop(_CoupledDecay, _RMSprop):
    pass


_COUPLED = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}
_OF_KERAS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer_of(
    recipe: Recipe,
    rate: float | keras.optimizers.schedules.LearningRateSchedule,
    model: keras.Model,
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer for a model's weights, not yet built."""
    named: dict[str, Any] = {}
    if "momentum" not in recipe.without_effect:
        named["momentum"] = recipe.momentum
    if recipe.nesterov:
        named["nesterov"] = True
    if recipe.clip_norm:
        named["global_clipnorm"] = recipe.clip_norm
    if recipe.accumulate > 1:
        named["gradient_accumulation_steps"] = recipe.accumulate
    if recipe.weight_decay and recipe.decay == L2:
        optimizer = _COUPLED[recipe.optimizer](
            rate, coupled_decay=recipe.weight_decay, **named
        )
    else:
        # AdamW has a decay of its own unless it is told 0.
        decay = recipe.weight_decay
        named["weight_decay"] = decay if recipe.optimizer == "adamw" else decay or None
        optimizer = _OF_KERAS[recipe.optimizer](rate, **named)
    if not recipe.decay_norms:
        vectors = [one for one in model.trainable_variables if len(one.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer


def steps_done(optimizer: keras.optimizers.Optimizer) -> Any:
    """Batches that were trained, by which schedules count; `iterations` are updates."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations
