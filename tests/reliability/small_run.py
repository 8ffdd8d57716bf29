"""A run that trains in a fraction of a second, with everything that has a state: batch
normalization, dropout, momentum, shuffling, augmentation, a schedule."""

import keras

from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.training import compile as preparing
from kerasnets.training import fit as training

STEPS = 6  # an epoch


def recipe(**named) -> Recipe:
    options = {
        "image_size": 8,
        "limit": 60,
        "batch_size": 10,
        "validation": 0.1,
        "epochs": 3,
        "augment": "crop-flip",
        "schedule": "cosine",
        "warmup": 0.5,
        "dropout": 0.3,
        **named,
    }
    return Recipe.for_paper("resnet18", "digits", **options)


def network(recipe: Recipe, image_shape, num_classes: int) -> keras.Model:
    """Stands in for the recipe's network: a few hundred parameters."""
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    # Seeded, as the networks are: unseeded masks depend on a process-wide state.
    x = layers.Dropout(recipe.dropout, seed=7)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(num_classes)(x), name="small")


def fit(path, *, on=None, **options) -> Run:
    """Train `recipe()`, or the recipe `on`, with the network above."""
    original, preparing.from_recipe = preparing.from_recipe, network
    try:
        options = {"verbosity": 0, **options}
        return training.fit(on or recipe(), path, device="cpu", **options)
    finally:
        preparing.from_recipe = original
