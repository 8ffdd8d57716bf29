"""The optimizer of a recipe."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kerasnets.networks.stages import rates
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import L2


class _OfLayers(keras.optimizers.Optimizer):
    """Mixin with coupled weight decay and learning rates by layer.

    It adds `coupled_decay` times a weight to its gradient, after clipping and before
    momentum and scaling: the weight_decay of torch.optim's SGD, Adam and RMSprop.

    Weights passed to `exclude_from_weight_decay` do not decay.

    Attributes:
        rate_factors: factors of the learning rate, by the weight's id; 1 if missing.
    """

    def __init__(
        self, *arguments: Any, coupled_decay: float = 0.0, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.coupled_decay = coupled_decay
        self.rate_factors: Mapping[int, float] = {}

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if self.coupled_decay:
            grads = [
                ops.add(gradient, ops.multiply(weight, self.coupled_decay))
                if self._use_weight_decay(weight)
                else gradient
                for gradient, weight in zip(grads, trainable_variables, strict=True)
            ]
        for factor, places in self._by_factor(trainable_variables).items():
            super()._backend_update_step(
                [grads[place] for place in places],
                [trainable_variables[place] for place in places],
                learning_rate if factor == 1 else learning_rate * factor,
            )

    def _apply_weight_decay(self, variables):
        if not self.rate_factors:
            super()._apply_weight_decay(variables)
        elif self.weight_decay is not None:
            for variable in filter(self._use_weight_decay, variables):
                share = self.weight_decay * self.rate_factors.get(id(variable), 1)
                rate = ops.cast(self.learning_rate, variable.dtype)
                variable.assign(variable - variable * share * rate)

    def _by_factor(self, variables: Sequence[Any]) -> dict[float, list[int]]:
        """Indices of the variables, grouped by the factor of their rate."""
        found: dict[float, list[int]] = {}
        for place, variable in enumerate(variables):
            factor = self.rate_factors.get(id(variable), 1.0)
            found.setdefault(factor, []).append(place)
        return found

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coupled_decay": self.coupled_decay}


# Keras's constructors return instances of backend-specific classes, which are faster.
_Sgd: Any
_Adam: Any
_AdamW: Any
_RMSprop: Any
_Sgd, _Adam, _AdamW, _RMSprop = (
    type(kind.__new__(kind))
    for kind in (
        keras.optimizers.SGD,
        keras.optimizers.Adam,
        keras.optimizers.AdamW,
        keras.optimizers.RMSprop,
    )
)


@keras.saving.register_keras_serializable("kerasnets")
class SGD(_OfLayers, _Sgd):
    pass


@keras.saving.register_keras_serializable("kerasnets")
class Adam(_OfLayers, _Adam):
    pass


@keras.saving.register_keras_serializable("kerasnets")
class AdamW(_OfLayers, _AdamW):
    pass


@keras.saving.register_keras_serializable("kerasnets")
class RMSprop(_OfLayers, _RMSprop):
    pass


_OF_LAYERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}
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
    factors = rates(model, recipe.head_lr, recipe.layer_decay)
    kinds = _OF_LAYERS if factors else _OF_KERAS
    if recipe.weight_decay and recipe.decay == L2:
        kinds = _OF_LAYERS
        named["coupled_decay"] = recipe.weight_decay
    else:
        # AdamW has a default decay unless it is 0 explicitly.
        decay = recipe.weight_decay
        named["weight_decay"] = decay if recipe.optimizer == "adamw" else decay or None
    optimizer = kinds[recipe.optimizer](rate, **named)
    if factors:
        optimizer.rate_factors = factors
    if not recipe.decay_norms:
        vectors = [one for one in model.trainable_variables if len(one.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer


def steps_done(optimizer: keras.optimizers.Optimizer) -> Any:
    """Batches trained so far, the unit of schedules; `iterations` counts updates."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations
