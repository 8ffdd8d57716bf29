"""Writer of the files of an evaluation; `kerasnets.runs.results` reads them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.evaluation.metrics import Metrics
from kerasnets.runs.results import (
    CONFUSION_FILE,
    FIRST_BATCH_FILE,
    METRICS_FILE,
    PER_CLASS,
    PREDICTIONS,
    THRESHOLDS,
    Predictions,
    clear,
)
from kerasnets.storage.files import write_csv, write_json


def write_results(
    folder: Path,
    metrics: dict[str, Any],
    class_names: Sequence[str],
    predictions: Predictions,
    whole: Metrics,
    first_batch: Metrics | None,
) -> None:
    """Write every result of one evaluation to `folder`, replacing an earlier one.
    metrics.json is removed first and written last, so that, if it exists, all other
    files belong to it."""
    tables: dict[str, Callable[[Path], None]] = {
        CONFUSION_FILE: lambda path: write_confusion(
            path, whole.confusion, class_names
        ),
        PER_CLASS.file: lambda path: _write_per_class(path, class_names, whole),
        PREDICTIONS.file: lambda path: _write_predictions(path, predictions),
    }
    if two := whole.two:
        tables[THRESHOLDS.file] = lambda path: write_csv(
            path,
            THRESHOLDS.columns,
            (
                [f"{row.threshold:.2f}", *(f"{one:.6f}" for one in row[1:-1]), row[-1]]
                for row in two.thresholds
            ),
        )
    if first_batch:
        tables[FIRST_BATCH_FILE] = lambda path: write_confusion(
            path, first_batch.confusion, class_names
        )
    clear(folder, but=tables)
    for name, write in tables.items():
        write(folder / name)
    write_json(folder / METRICS_FILE, metrics)


def _write_per_class(path: Path, class_names: Sequence[str], whole: Metrics) -> None:
    columns = (whole.precision, whole.recall, whole.f1)
    write_csv(
        path,
        PER_CLASS.columns,
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
        PREDICTIONS.columns,
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
