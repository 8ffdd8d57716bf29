"""Gradients of several batches make the update of one large batch."""

import keras
import numpy as np
import pytest

from kerasnets.recipe import Recipe
from kerasnets.training import compile as preparing
from kerasnets.training.fit import fit


def without_batch_norm(recipe, image_shape, num_classes):
    """Stands in for the recipe's network."""
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(num_classes)(x), name="small")


@pytest.mark.parametrize(
    "options",
    [
        {"weight_decay": 5e-3, "nesterov": True},
        {"optimizer": "adamw", "weight_decay": 0.1, "learning_rate": 1e-3},
        {"optimizer": "adam", "clip_norm": 0.5, "learning_rate": 1e-3},
    ],
)
def test_four_batches_of_8_are_one_of_32(tmp_path, monkeypatch, options):
    monkeypatch.setattr(preparing, "from_recipe", without_batch_norm)
    weights = []
    for name, sizes in (
        ("accumulated", {"batch_size": 8, "accumulate": 4}),
        ("whole", {"batch_size": 32}),
    ):
        recipe = Recipe.for_paper(
            "resnet18",
            "digits",
            image_size=8,
            augment="none",  # its draws belong to a batch
            limit=107,
            epochs=3,
            **{"learning_rate": 0.1, **options, **sizes},
        )
        run = fit(recipe, tmp_path / name, device="cpu", verbosity=0)
        weights.append(keras.models.load_model(run.model_file).get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
