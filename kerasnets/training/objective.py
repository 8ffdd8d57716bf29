"""What training minimizes and measures: loss, optimizer, metric, compiled together."""

import keras
from keras import ops

from kerasnets.engines import runtime
from kerasnets.recipes import Recipe
from kerasnets.training.confusion import ConfusionAccuracy
from kerasnets.training.schedule import LearningRate


def compile_model(
    model: keras.Model, recipe: Recipe, *, num_classes: int, steps_per_epoch: int
) -> None:
    """Compile `model` (integer labels in, logits out) as the recipe says.

    Args:
        steps_per_epoch: optimizer steps in an epoch; the schedule counts in steps.
    """
    model.compile(
        optimizer=_optimizer(recipe, steps_per_epoch),
        loss=_loss(recipe.label_smoothing, num_classes),
        weighted_metrics=[ConfusionAccuracy(num_classes, name="accuracy")],
        jit_compile=runtime.jit_compile(),
    )


def _loss(label_smoothing: float, num_classes: int):
    if label_smoothing == 0:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed(labels, logits):
        return keras.losses.categorical_crossentropy(
            ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), num_classes),
            logits,
            from_logits=True,
            label_smoothing=label_smoothing,
        )

    return smoothed


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate = LearningRate(
        peak=recipe.learning_rate,
        schedule=recipe.schedule,
        steps=recipe.epochs * steps_per_epoch,
        warmup_steps=round(recipe.warmup * steps_per_epoch),
    )
    decay = recipe.weight_decay or None
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=recipe.momentum, weight_decay=decay
        )
    elif recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
    elif recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    else:
        optimizer = keras.optimizers.RMSprop(
            rate, momentum=recipe.momentum, weight_decay=decay
        )
    return optimizer
