"""A run folder as training leaves it, without the training."""

import numpy as np

from kerasnets import datasets, runs
from kerasnets.recipe import Recipe
from kerasnets.runs import Run

HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def make_run(path, *, bias_of_one: float = 0.0, **named) -> Run:
    """A run on the digits whose network compares images with each class's mean.

    Args:
        path: the run folder.
        bias_of_one: added to the logit of class 1; a large one makes it collapse.
        named: fields of the recipe.
    """
    import keras

    named = {"image_size": 8, "batch_size": 32, "normalize": "unit", **named}
    recipe = Recipe.for_paper("resnet18", "digits", **named)
    dataset = datasets.load("digits", image_size=8, channels=recipe.channels)
    images = dataset.train.images.reshape(len(dataset.train.labels), -1) / 255
    means = np.stack(
        [images[dataset.train.labels == k].mean(axis=0) for k in range(10)]
    )
    bias = -np.square(means).sum(axis=1)
    bias[1] += bias_of_one
    inputs = keras.Input(dataset.train.images.shape[1:])
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([2 * means.T, bias])

    run = runs.create(path, recipe)
    model.save(run.model_file)
    runs.write_json(
        run.path / "environment.json",
        {"dataset_fingerprint": dataset.fingerprint, "train_images": 1293},
    )
    rows = [(epoch, 1 / epoch, 0.9, 1.1 / epoch, 0.8, 0.001) for epoch in (1, 2)]
    runs.write_csv(run.path / "history.csv", HISTORY, rows)
    return run
