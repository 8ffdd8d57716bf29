"""The files of an evaluation, with a reader for each, and a check for outdated results.
Shares are in [0, 1].

metrics.json is removed first and written last: if it exists, all files belong to the
same evaluation.
"""

import contextlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasnets import runs
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.runs import Run
from kerasnets.runs.explanations import remove_explanations
from kerasnets.runs.records import Table
from kerasnets.storage import schema
from kerasnets.storage.digests import Finding
from kerasnets.storage.files import (
    read_csv,
    read_csv_rows,
    read_json,
    read_rows,
    remove,
)
from kerasnets.storage.schema import COUNT, LINE, NUMBER, SHARE, or_null, required

METRICS_FILE = "metrics.json"
METRICS = {
    "network": required(LINE),
    "dataset": required(schema.PLACE),
    "dataset_note": schema.TEXT,
    "data_changed": schema.FLAG,
    "split": required(LINE),
    "epochs": or_null(COUNT),
    "epoch": or_null(COUNT),
    "images": required(COUNT),
    "loss": required(NUMBER),
    "accuracy": required(SHARE),
    "top5_accuracy": or_null(SHARE),
    "balanced_accuracy": SHARE,
    "macro_precision": SHARE,
    "macro_recall": SHARE,
    "macro_f1": SHARE,
    "positive_class": or_null(schema.TEXT),
    "roc_auc": or_null(SHARE),
    "average_precision": or_null(SHARE),
    "collapsed": or_null(schema.record(**{"class": schema.TEXT, "share": SHARE})),
    "first_batch": or_null(schema.record(images=COUNT, accuracy=SHARE)),
    "seconds": NUMBER,
    "images_per_s": NUMBER,
    "batch_size": COUNT,
    "backend": LINE,
    "engine": LINE,
    "device": LINE,
    "device_name": LINE,
    "threads": or_null(COUNT),
}

CONFUSION_FILE = "confusion_matrix.csv"
FIRST_BATCH_FILE = "first_batch_confusion_matrix.csv"
PER_CLASS = Table("per_class.csv", ("class", "precision", "recall", "f1", "support"))
THRESHOLDS = Table(
    "thresholds.csv",
    ("threshold", "precision", "recall", "specificity", "f1", "predicted"),
)
PREDICTIONS = Table("predictions.csv", ("index", "label", "prediction", "confidence"))

FILES = (
    METRICS_FILE,
    CONFUSION_FILE,
    "confusion_matrix.png",
    PER_CLASS.file,
    THRESHOLDS.file,
    PREDICTIONS.file,
    "examples.png",
    FIRST_BATCH_FILE,
    "first_batch_confusion_matrix.png",
)

BEST_EPOCH_FOLDER = "best_validation"  # results of the best epoch's network
_FOLDERS = ("", "validation", "train", BEST_EPOCH_FOLDER)  # "": the test split's


def read_metrics(folder: Path) -> dict[str, Any]:
    """The content of metrics.json in a results folder.

    Raises:
        RunError: the file is missing or damaged.
    """
    return read_json(folder / METRICS_FILE, METRICS)


@dataclass(frozen=True)
class Predictions:
    """Predictions as arrays [images], in the order of evaluation.

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


def read_predictions(path: Path) -> Predictions:
    """The content of predictions.csv.

    Raises:
        RunError: the file is missing or damaged.
    """
    rows = read_csv(path, PREDICTIONS.columns)
    try:
        index, label, prediction = (
            np.array([int(row[name]) for row in rows], np.int64)
            for name in PREDICTIONS.columns[:-1]
        )
        confidence = np.array([float(row["confidence"]) for row in rows])
    except (ValueError, OverflowError) as error:
        raise RunError(f"{path} does not hold predictions.") from error
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise RunError(f"{path} does not hold predictions.")
    return Predictions(index, label, prediction, confidence)


def check_same_images(
    folder: Path, predictions: Predictions, labels: np.ndarray, classes: int
) -> None:
    """Raise RunError unless the predictions in `folder` are of images with these labels
    and of no more than `classes` classes."""
    index, prediction = predictions.index, predictions.prediction
    if (
        not len(index)
        or not 0 <= index.min() <= index.max() < len(labels)
        or not 0 <= prediction.min() <= prediction.max() < classes
        or (labels[index] != predictions.label).any()
    ):
        raise RunError(
            f"{folder / PREDICTIONS.file} is about other images than the dataset now "
            "has; evaluate the run again."
        )


class ClassMetrics(NamedTuple):
    """Metrics of one class: a row of per_class.csv."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def read_per_class(path: Path) -> list[ClassMetrics]:
    """The content of per_class.csv.

    Raises:
        RunError: the file is missing or damaged.
    """
    return read_rows(path, PER_CLASS.columns, ClassMetrics, "figures of classes")


class Threshold(NamedTuple):
    """Metrics of a binary classifier at a threshold: a row of thresholds.csv.

    Attributes:
        threshold: minimum probability of images classified as positive.
        recall: share of the positive images classified as positive.
        specificity: share of the negative images classified as negative.
        predicted: number of images classified as positive.
    """

    threshold: float
    precision: float
    recall: float
    specificity: float
    f1: float
    predicted: int


def read_thresholds(path: Path) -> list[Threshold]:
    """The content of thresholds.csv.

    Raises:
        RunError: the file is missing or damaged.
    """
    found = read_rows(path, THRESHOLDS.columns, Threshold, "thresholds")
    if not all(0 <= share <= 1 for row in found for share in row[:-1]):
        raise RunError(f"{path} does not hold thresholds.")
    return found


def read_confusion(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The counts, int64 [classes, classes], row: label, column: prediction, and the
    class names.

    Raises:
        RunError: the file is missing, or is not a confusion matrix.
    """
    try:
        (_, *names), *rows = read_csv_rows(path)
        counts = np.array([[int(count) for count in row[1:]] for row in rows], np.int64)
        if counts.shape != (len(names), len(names)) or (counts < 0).any():
            raise ValueError("not a square of counts")
    except (ValueError, OverflowError) as error:
        raise RunError(f"{path} is not a confusion matrix.") from error
    return counts, tuple(names)


def remove_results(run: Run) -> None:
    """Remove the evaluations of all splits, and the explanations."""
    remove_explanations(run)
    folders = [run.path / name for name in _FOLDERS if (run.path / name).is_dir()]
    for folder in folders:
        remove(folder / METRICS_FILE)
    for folder in folders:
        clear(folder)
        if folder != run.path:
            with contextlib.suppress(OSError):  # the folder holds a foreign file
                folder.rmdir()


def clear(folder: Path, *, but: Container[str] = ()) -> None:
    """Remove the files of an evaluation from a folder, metrics.json first.

    Args:
        but: names of files to keep.
    """
    for name in FILES:
        if name not in but and (folder / name).exists():
            remove(folder / name)


def stale(path: Path) -> tuple[Finding, ...]:
    """Results in a run folder that do not belong to its current network.

    Results without metrics.json come from a killed evaluation or an earlier version of
    kerasnets. A metrics.json of an earlier version, without the number of epochs,
    cannot be checked.
    """
    try:
        trained = len(runs.load(path).history)
    except KerasnetsError:
        return ()  # damaged, which `verify` reports
    found = []
    for name in _FOLDERS:
        present = [file for file in FILES if (path / name / file).is_file()]
        why = _why_stale(path / name, trained) if present else ""
        if why:
            found += [Finding((Path(name) / file).as_posix(), why) for file in present]
    return tuple(found)


def _why_stale(folder: Path, trained: int) -> str:
    if not (folder / METRICS_FILE).exists():
        return f"stale: there is no {METRICS_FILE} of its evaluation"
    try:
        measured = read_metrics(folder).get("epochs")
    except KerasnetsError:
        return ""  # damaged, which `verify` reports
    if measured in (None, trained):
        return ""
    return f"stale: measured after {measured} epochs, of which the run has {trained}"
