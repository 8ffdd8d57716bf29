"""The files that `evaluate` writes: each is written and read here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.errors import RunError
from kerasnets.evaluation.metrics import Metrics
from kerasnets.runs.results import METRICS_FILE, clear
from kerasnets.storage.files import (
    read_csv,
    read_csv_rows,
    read_json,
    write_csv,
    write_json,
)
from kerasnets.storage.schema import METRICS

PREDICTION_COLUMNS = ("index", "label", "prediction", "confidence")


@dataclass(frozen=True)
class Predictions:
    """What was predicted for each image; arrays [images] in the order of evaluation.

    Attributes:
        index: the image's row in the dataset's split (the train split for the train
            and validation images).
        label, prediction: class indices.
        confidence: the prediction's probability, in (0, 1].
    """

    index: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray


def write_results(
    folder: Path,
    metrics: dict[str, Any],
    class_names: Sequence[str],
    predictions: Predictions,
    whole: Metrics,
    first_batch: Metrics | None,
) -> None:
    """Write every result of one evaluation to `folder` in the place of an earlier one:
    metrics.json goes first and comes last, so that whoever finds it finds the others as
    new as it is."""
    tables: dict[str, Callable[[Path], None]] = {
        "confusion_matrix.csv": lambda path: write_confusion(
            path, whole.confusion, class_names
        ),
        "per_class.csv": lambda path: _write_per_class(path, class_names, whole),
        "predictions.csv": lambda path: _write_predictions(path, predictions),
    }
    if first_batch:
        tables["first_batch_confusion_matrix.csv"] = lambda path: write_confusion(
            path, first_batch.confusion, class_names
        )
    clear(folder, but=tables)
    for name, write in tables.items():
        write(folder / name)
    write_json(folder / METRICS_FILE, metrics)


def read_predictions(path: Path) -> Predictions:
    """What `evaluate` wrote to predictions.csv.

    Raises:
        RunError: the file is missing or damaged.
    """
    rows = read_csv(path, PREDICTION_COLUMNS)
    try:
        index, label, prediction = (
            np.array([int(row[name]) for row in rows], np.int64)
            for name in PREDICTION_COLUMNS[:-1]
        )
        confidence = np.array([float(row["confidence"]) for row in rows])
    except (ValueError, OverflowError) as error:
        raise RunError(f"{path} does not hold predictions.") from error
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise RunError(f"{path} does not hold predictions.")
    return Predictions(index, label, prediction, confidence)


def read_metrics(folder: Path) -> dict[str, Any]:
    """What `evaluate` wrote to metrics.json in a results folder.

    Raises:
        RunError: the file is missing or damaged.
    """
    return read_json(folder / METRICS_FILE, METRICS)


def _write_per_class(path: Path, class_names: Sequence[str], whole: Metrics) -> None:
    columns = (whole.precision, whole.recall, whole.f1)
    write_csv(
        path,
        ["class", "precision", "recall", "f1", "support"],
        (
            [name, *(f"{column[index]:.6f}" for column in columns), support]
            for index, (name, support) in enumerate(
                zip(class_names, whole.support.tolist(), strict=True)
            )
        ),
    )


def _write_predictions(path: Path, predictions: Predictions) -> None:
    write_csv(
        path,
        PREDICTION_COLUMNS,
        zip(
            predictions.index.tolist(),
            predictions.label.tolist(),
            predictions.prediction.tolist(),
            (f"{share:.6f}" for share in predictions.confidence),
            strict=True,
        ),
    )


def write_confusion(path: Path, counts: np.ndarray, class_names: Sequence[str]) -> None:
    """Write counts [classes, classes]; row: label, column: prediction."""
    write_csv(
        path,
        ["label", *class_names],
        ([name, *row] for name, row in zip(class_names, counts.tolist(), strict=True)),
    )


def read_confusion(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The counts, int64 [classes, classes], and the class names.

    Raises:
        RunError: the file is missing, or isn't what `write_confusion` writes.
    """
    try:
        (_, *names), *rows = read_csv_rows(path)
        counts = np.array([[int(count) for count in row[1:]] for row in rows], np.int64)
        if counts.shape != (len(names), len(names)) or (counts < 0).any():
            raise ValueError("not a square of counts")
    except (ValueError, OverflowError) as error:
        raise RunError(f"{path} is not a confusion matrix.") from error
    return counts, tuple(names)
