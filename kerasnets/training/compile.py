"""What training minimizes and measures: loss, optimizer, metrics, compiled together."""

from collections.abc import Sequence

import keras
from keras import ops

from kerasnets.compute import runtime
from kerasnets.engines import choice
from kerasnets.networks.from_recipe import from_recipe
from kerasnets.recipe import Recipe
from kerasnets.training import fixed_batch_size
from kerasnets.training.metrics import (
    ConfusionAccuracy,
    CrossEntropy,
    SmoothedCrossEntropy,
)


@keras.saving.register_keras_serializable("kerasnets")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from zero, then constant, cosine or step.

    Args:
        peak: highest learning rate, > 0.
        schedule: "constant"; "cosine", towards zero, which the step after the last one
            would have; "step", a tenth from 1/2 of the steps on and a hundredth from
            3/4 on (as He et al. 2016, section 4.2, do on CIFAR-10).
        steps: optimizer steps of the whole run.
        warmup_steps: of these, how many the linear increase takes.
    """

    def __init__(
        self, peak: float, schedule: str, steps: int, warmup_steps: int = 0
    ) -> None:
        self.peak = peak
        self.schedule = schedule
        self.steps = steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        progress = ops.clip(
            (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps),
            0.0,
            1.0,
        )
        if self.schedule == "cosine":
            factor = 0.5 * (1.0 + ops.cos(3.141592653589793 * progress))
        elif self.schedule == "step":
            factor = ops.where(
                progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01)
            )
        else:
            factor = ops.ones_like(progress)
        if self.warmup_steps:
            # The first step already moves: rates are peak/n, 2 peak/n, ..., peak.
            factor = factor * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return self.peak * factor

    def get_config(self) -> dict[str, float | str]:
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


def ready_to_train(
    recipe: Recipe,
    image_shape: Sequence[int],
    num_classes: int,
    steps_per_epoch: int,
    *,
    session: runtime.Session,
    engine: str,
    cross_entropy: bool = True,
) -> keras.Model:
    """A recipe's network, ready for its first step on an engine.

    Random numbers start from the recipe's seed.

    Args:
        image_shape: (height, width, channels) of the dataset's images.
        num_classes: of the dataset.
        steps_per_epoch, cross_entropy: as `compile_model` takes them.
        session: where it trains.
        engine: as `kerasnets.engines.choice.check` gives it.
    """
    keras.utils.set_random_seed(recipe.seed)
    model = from_recipe(recipe, image_shape, num_classes)
    compile_model(
        model,
        recipe,
        num_classes=num_classes,
        steps_per_epoch=steps_per_epoch,
        cross_entropy=cross_entropy,
    )
    model.optimizer.build(model.trainable_variables)
    choice.use(model, engine)
    if fixed_batch_size.are_needed(session):
        fixed_batch_size.install(model)
    return model


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
