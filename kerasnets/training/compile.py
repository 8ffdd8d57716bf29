"""What training minimizes and measures: loss, optimizer, metrics, compiled together."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

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
from kerasnets.networks.stages import freeze
from kerasnets.recipe import Recipe
from kerasnets.training import fixed_batch_size
from kerasnets.training.metrics import (
    ConfusionAccuracy,
    CrossEntropy,
    SmoothedCrossEntropy,
    balanced_weights,
)
from kerasnets.training.optimization.optimizer import optimizer_of
from kerasnets.training.optimization.schedule import learning_rate
from kerasnets.training.transfer import source as transfer
from kerasnets.training.transfer import unfreezing
from kerasnets.training.transfer.source import Source


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
    source: Source | None = None,
    **batches: Any,
) -> Opened:
    """What a training of `recipe` begins with.

    Args:
        dataset: as `source` normalizes it, where that is given.
        source: of the recipe's weights; opened here unless given.
        session, engine, cross_entropy: as `ready_to_train` takes them.
        workers: as `training_batches` takes them.
        batches: `place` and `fill`, as `Batches` takes them.

    Raises:
        RecipeError: a batch is larger than the training split.
    """
    if recipe.weights is not None and source is None:
        source = transfer.opened(recipe)
        dataset = source.applied_to(dataset, recipe)
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
        fill=None if source is None else source.into(dataset.class_names),
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
    fill: Callable[[keras.Model], None] | None = None,
) -> keras.Model:
    """A recipe's network, ready for its first step on an engine.

    Random numbers start from the recipe's seed.

    Args:
        fill: gives the new network weights.
        image_shape: (height, width, channels) of the dataset's images.
        num_classes: of the dataset.
        steps_per_epoch, cross_entropy, labels: as `compile_model` takes them.
        session: where it trains.
        engine: as `kerasnets.engines.choice.check` gives it.
    """
    keras.utils.set_random_seed(recipe.seed)
    model = from_recipe(recipe, image_shape, num_classes)
    if fill:
        fill(model)
    if recipe.freeze != "none" and not recipe.unfreeze_after:
        freeze(model, recipe.freeze)
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
    if recipe.unfreeze_after:
        # Only now: optimizer and engine are for all layers.
        freeze(model, recipe.freeze)
        if session.backend == "jax":
            unfreezing.allow(model)
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
