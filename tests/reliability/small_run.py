"""A run that trains in a fraction of a second, with everything that has a state: batch
normalization, dropout, momentum, shuffling, augmentation, a schedule."""

import keras

from kerasnets.recipe import Recipe
from kerasnets.runs import Run
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


def network(recipe: Recipe, dataset) -> keras.Model:
    """Stands in for the recipe's network: a few hundred parameters."""
    layers = keras.layers
    inputs = keras.Input(dataset.train.images.shape[1:])
    x = layers.Conv2D(4, 3, strides=2, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    # Seeded, as the networks are: unseeded masks depend on a process-wide state.
    x = layers.Dropout(recipe.dropout, seed=7)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(x), name="small")


def fit(path, *, on=None, **options) -> Run:
    """Train `recipe()`, or the recipe `on`, with the network above."""
    original, training.network = training.network, network
    try:
        options = {"verbosity": 0, **options}
        return training.fit(on or recipe(), path, device="cpu", **options)
    finally:
        training.network = original
