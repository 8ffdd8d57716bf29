"""Short deterministic runs on the CUDA device."""

from pathlib import Path

import keras
import pytest

from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.training import compile as preparing
from kerasnets.training import fit as training
from kerasnets.training.checkpointing import Interval

# Stands for the small network below in its place: a checkpoint of the real one is
# 90 MB, which takes longer than its training here.
SMALL = "resnet34"


def recipe(network: str = SMALL, **named) -> Recipe:
    """Two epochs of the digits, each of six batches of 16 images and one of 12."""
    options = {
        "limit": 120,
        "batch_size": 16,
        "epochs": 2,
        "augment": "crop-flip",
        "validation": 0.1,
        **named,
    }
    return Recipe.for_paper(network, "digits", **options)


STEPS = 7  # an epoch


def trained(path: Path, on: Recipe, **options) -> Run:
    named = {"device": "cuda:0", "deterministic": True, "verbosity": 0, **options}
    original = preparing.from_recipe
    if on.network == SMALL:
        preparing.from_recipe = _small_network
    try:
        return training.fit(on, path, **named)
    finally:
        preparing.from_recipe = original


def _small_network(recipe: Recipe, image_shape, num_classes: int) -> keras.Model:
    """Every kind of layer that the networks have."""
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(16, 3, strides=2, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(x)
    y = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    x = layers.Add()([x, layers.Conv2D(16, 1)(y)])
    x = layers.AveragePooling2D(2)(layers.Concatenate()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    # Seeded, as the networks are: unseeded masks depend on a process-wide state.
    x = layers.Dropout(recipe.dropout, seed=7)(x)
    logits = layers.Dense(num_classes, dtype="float32")(x)
    return keras.Model(inputs, logits, name="small")


class _Interrupt(keras.callbacks.Callback):
    """Stands in for the end of the process after so many steps of it."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(path: Path, on: Recipe, *, after: int, **options) -> None:
    """Train for one step more than `after`, of which there is a checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        trained(
            path,
            on,
            checkpoint_every=Interval(steps=after % STEPS),
            callbacks=[_Interrupt(after + 1)],
            **options,
        )


class Read(keras.callbacks.Callback):
    """Reads the logs of every step, as callbacks of a user's may."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple] = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(("train", batch, dict(logs)))

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(("test", batch, dict(logs)))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(("epoch", epoch, dict(logs)))
