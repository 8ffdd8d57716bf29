"""Run folders as `fit` and `evaluate` leave them, without a network."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kerasnets import datasets, runs
from kerasnets.recipe import Recipe
from kerasnets.runs import Run

CLASSES = tuple(map(str, range(10)))
PARAMETERS = 11_175_370  # ResNet-18 on grey images
HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
TIMES = (
    "epoch",
    "train_s",
    "validation_s",
    "train_images_per_s",
    "validation_images_per_s",
    "data_wait_s",
    "peak_memory_mb",
)


def labels() -> np.ndarray:
    """Of the 360 test images."""
    return datasets.load("digits", image_size=8).test.labels


def make_run(
    path: Path,
    *,
    wrong: Iterable[int] | None = (),
    accuracies: Iterable[float] = (0.6, 0.9),
    epoch_s: float | None = 10.0,
    epoch_j: float | None = None,
    environment: dict | None = None,
    metrics: dict | None = None,
    **named,
) -> Run:
    """A run of ResNet-18 on the digits.

    Args:
        wrong: rows of the test images that it takes for the next class; None where it
            is not evaluated.
        accuracies: of the validation images, an epoch each.
        epoch_s: seconds of each epoch; None where they are not recorded.
        epoch_j: joules of each epoch; None where they are not recorded.
        environment, metrics: more of environment.json and metrics.json.
        named: fields of the recipe.
    """
    accuracies = tuple(accuracies)
    named = {"image_size": 8, "epochs": max(1, len(accuracies)), **named}
    path.parent.mkdir(parents=True, exist_ok=True)
    run = runs.create(path, Recipe.for_paper("resnet18", "digits", **named))
    recorded = {
        "device_name": "a processor",
        "packages": {"torch": "2"},
        "dataset_fingerprint": "same",
        "class_names": list(CLASSES),
        "train_images": 1293,
        "trainable_parameters": PARAMETERS if run.recipe.batch_norm else None,
    }
    runs.write_json(path / "environment.json", {**recorded, **(environment or {})})
    rows = [
        (epoch, 1 - share, share, 1 - share, share, 0.001)
        for epoch, share in enumerate(accuracies, start=1)
    ]
    runs.write_csv(path / "history.csv", HISTORY, rows)
    if epoch_s is not None:
        times = [
            (epoch, epoch_s - 1, 1.0, 1293 / (epoch_s - 1), 144.0, 0.0, "")
            for epoch in range(1, len(accuracies) + 1)
        ]
        runs.write_csv(path / "epoch_times.csv", TIMES, times)
    if epoch_j is not None:
        energy = [(epoch, epoch_j) for epoch in range(1, len(accuracies) + 1)]
        runs.write_csv(path / "energy.csv", ("epoch", "energy_j"), energy)
    if wrong is not None:
        evaluate(run, wrong, metrics or {})
    return run


def evaluate(run: Run, wrong: Iterable[int], metrics: dict) -> None:
    """Write predictions.csv and metrics.json."""
    truth = labels()
    prediction = truth.copy()
    wrong = list(wrong)
    prediction[wrong] = (prediction[wrong] + 1) % 10
    write_predictions(run, truth, prediction)
    accuracy = float((prediction == truth).mean())
    values = {
        "network": run.recipe.network,
        "dataset": run.recipe.dataset,
        "split": "test",
        "images": 360,
        "loss": 0.5,
        "accuracy": accuracy,
        "data_changed": False,
    }
    runs.write_json(run.path / "metrics.json", {**values, **metrics})


def write_predictions(run: Run, truth: np.ndarray, prediction: np.ndarray) -> None:
    rows = zip(
        range(len(truth)),
        truth.tolist(),
        prediction.tolist(),
        [0.75] * len(truth),
        strict=True,
    )
    columns = ["index", "label", "prediction", "confidence"]
    runs.write_csv(run.path / "predictions.csv", columns, rows)
