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
    """Batches, and the network compiled to train on them.

    Attributes:
        train: batches of the training images, shuffled and augmented.
        monitored: batches of the validation images, neither shuffled nor augmented.
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
    """Prepare batches and network for the first step of `recipe`.

    Args:
        dataset: already normalized by `source` if that is given.
        source: the recipe's initial weights; opened here unless given.
        session, engine, cross_entropy: see `ready_to_train`.
        workers: see `training_batches`.
        batches: `place` and `fill`, see `Batches`.

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
    """Build and compile a recipe's network for its first step on an engine.

    Random numbers start from the recipe's seed.

    Args:
        image_shape: (height, width, channels) of the dataset's images.
        num_classes: classes of the dataset.
        steps_per_epoch, cross_entropy, labels: see `compile_model`.
        session: the backend and device to train on.
        engine: a result of `kerasnets.engines.choice.check`.
        fill: assigns initial weights to the new network.
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
    choice.use(model, engine, recipe.batch_size)
    if fixed_batch_size.are_needed(session):
        fixed_batch_size.install(model)
    if recipe.unfreeze_after:
        # Not earlier: optimizer and engine are built for all layers.
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
        cross_entropy: whether to measure plain cross-entropy too if the loss has label
            smoothing or class weights.
        labels: of the training images, int64 [N]; class weights derive from them.

    Raises:
        RecipeError: the recipe has class weights, but `labels` is None.
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
    if runtime.backend() == "tensorflow":
        # Keras builds the metrics in the first step, too late to restore them.
        model.compute_metrics(None, np.zeros(1, "int64"), np.zeros((1, num_classes)))
        model.reset_metrics()
