"""What training minimizes and measures: loss, optimizer, metrics, compiled together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasnets.compute import runtime
from kerasnets.datasets import Dataset, Partition
from kerasnets.datasets.pipeline.batches import (
    Batches,
    evaluation_batches,
    training_batches,
)
from kerasnets.engines import choice
from kerasnets.errors import RecipeError
from kerasnets.networks.from_recipe import from_recipe
from kerasnets.recipe import Recipe
from kerasnets.training import fixed_batch_size
from kerasnets.training.metrics import (
    ConfusionAccuracy,
    CrossEntropy,
    SmoothedCrossEntropy,
    balanced_weights,
)
from kerasnets.training.optimizer import optimizer_of

_PI = 3.141592653589793
ONE_CYCLE_RISE = 0.3  # of the steps


@keras.saving.register_keras_serializable("kerasnets")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from zero, then constant, cosine or step; or one cycle.

    Args:
        peak: highest learning rate, > 0.
        schedule: "constant"; "cosine", towards zero, which the step after the last one
            would have; "step", a tenth from 1/2 of the steps on and a hundredth from
            3/4 on (as He et al. 2016, section 4.2, do on CIFAR-10); "one-cycle", the
            two cosines of torch.optim.lr_scheduler.OneCycleLR, from 1/25 of the peak
            up to it in the first 30 % of the steps and down to 1/250,000.
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
        if self.schedule == "one-cycle":
            return self.peak * self._one_cycle(step)
        progress = ops.clip(
            (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps),
            0.0,
            1.0,
        )
        if self.schedule == "cosine":
            factor = 0.5 * (1.0 + ops.cos(_PI * progress))
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

    def _one_cycle(self, step):
        top = ONE_CYCLE_RISE * self.steps - 1
        rise = 0.5 - 0.5 * ops.cos(_PI * ops.minimum(1.0, step / top))
        fall = ops.clip((step - top) / (self.steps - 1 - top), 0.0, 1.0)
        fall = 0.5 + 0.5 * ops.cos(_PI * fall)
        first, last = 1 / 25, 1 / 25 / 1e4
        return ops.where(
            step <= top, first + (1 - first) * rise, last + (1 - last) * fall
        )

    def get_config(self) -> dict[str, float | str]:
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


class Opened(NamedTuple):
    """Batches, and the network that is ready for the first of them.

    Attributes:
        train: of the training images, shuffled and augmented.
        monitored: of the validation images, as they are.
    """

    train: Batches
    monitored: Batches
    model: keras.Model


def open_training(
    recipe: Recipe,
    dataset: Dataset,
    parts: Partition,
    *,
    session: runtime.Session,
    engine: str,
    cross_entropy: bool = True,
    workers: int | None = None,
    **batches: Any,
) -> Opened:
    """What a training of `recipe` begins with.

    Args:
        session, engine, cross_entropy: as `ready_to_train` takes them.
        workers: as `training_batches` takes them.
        batches: `place` and `fill`, as `Batches` takes them.

    Raises:
        RecipeError: a batch is larger than the training split.
    """
    train = training_batches(recipe, dataset, parts.train, workers=workers, **batches)
    monitored = evaluation_batches(
        recipe, dataset, parts.validation, workers=workers, **batches
    )
    model = ready_to_train(
        recipe,
        dataset.train.images.shape[1:],
        len(dataset.class_names),
        len(train),
        session=session,
        engine=engine,
        labels=parts.train.labels,
        cross_entropy=cross_entropy,
    )
    return Opened(train, monitored, model)


def ready_to_train(
    recipe: Recipe,
    image_shape: Sequence[int],
    num_classes: int,
    steps_per_epoch: int,
    *,
    session: runtime.Session,
    engine: str,
    cross_entropy: bool = True,
    labels: np.ndarray | None = None,
) -> keras.Model:
    """A recipe's network, ready for its first step on an engine.

    Random numbers start from the recipe's seed.

    Args:
        image_shape: (height, width, channels) of the dataset's images.
        num_classes: of the dataset.
        steps_per_epoch, cross_entropy, labels: as `compile_model` takes them.
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
        labels=labels,
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
    labels: np.ndarray | None = None,
) -> None:
    """Compile `model` (labels in, logits out) as the recipe says.

    Args:
        steps_per_epoch: optimizer steps in an epoch; the schedule counts in steps.
        cross_entropy: whether to measure it beside a loss that has label smoothing or
            class weights.
        labels: of the training images, which class weights are drawn from.

    Raises:
        RecipeError: there are class weights, but no labels.
    """
    metrics: list[keras.metrics.Metric] = [
        ConfusionAccuracy(num_classes, name="accuracy")
    ]
    weights: Sequence[float] = ()
    if recipe.class_weights == "balanced":
        if labels is None:
            raise RecipeError("class_weights need the labels of the training images.")
        weights = balanced_weights(labels, num_classes).tolist()
    loss: keras.losses.Loss
    if recipe.has_objective or recipe.mixes:
        loss = SmoothedCrossEntropy(num_classes, recipe.label_smoothing, weights)
        if recipe.has_objective and cross_entropy:
            metrics.append(CrossEntropy())
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer=optimizer_of(recipe, learning_rate(recipe, steps_per_epoch), model),
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
