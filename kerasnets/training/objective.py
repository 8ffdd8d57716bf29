"""What training minimizes and measures: loss, optimizer, metrics, compiled together."""

import keras

from kerasnets.engines import runtime
from kerasnets.recipes import Recipe
from kerasnets.training.confusion import ConfusionAccuracy
from kerasnets.training.cross_entropy import CrossEntropy, SmoothedCrossEntropy
from kerasnets.training.schedule import LearningRate


def compile_model(
    model: keras.Model,
    recipe: Recipe,
    *,
    num_classes: int,
    steps_per_epoch: int,
    cross_entropy: bool = True,
) -> None:
    """Compile `model` (integer labels in, logits out) as the recipe says.

    Args:
        steps_per_epoch: optimizer steps in an epoch; the schedule counts in steps.
        cross_entropy: whether to measure it beside a loss that has label smoothing.
    """
    metrics: list[keras.metrics.Metric] = [
        ConfusionAccuracy(num_classes, name="accuracy")
    ]
    loss: keras.losses.Loss
    if recipe.label_smoothing:
        loss = SmoothedCrossEntropy(num_classes, recipe.label_smoothing)
        if cross_entropy:
            metrics.append(CrossEntropy())
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer=_optimizer(recipe, learning_rate(recipe, steps_per_epoch)),
        loss=loss,
        weighted_metrics=metrics,
        jit_compile=runtime.jit_compile(),
    )


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> float | LearningRate:
    """A number, which callbacks may set, where the recipe has it constant from the
    first step on; else a schedule."""
    if recipe.schedule == "constant" and not recipe.warmup:
        return float(recipe.learning_rate)
    return LearningRate(
        peak=recipe.learning_rate,
        schedule=recipe.schedule,
        steps=recipe.epochs * steps_per_epoch,
        warmup_steps=round(recipe.warmup * steps_per_epoch),
    )


def _optimizer(
    recipe: Recipe, rate: float | LearningRate
) -> keras.optimizers.Optimizer:
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
