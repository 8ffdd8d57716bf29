"""A confusion matrix as a CSV file: a header of class names, then a row a label."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnets.errors import RunError
from kerasnets.runs import write_csv


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
        with path.open(encoding="utf-8", newline="") as file:
            (_, *names), *rows = csv.reader(file)
        counts = np.array([[int(count) for count in row[1:]] for row in rows])
        if counts.shape != (len(names), len(names)):
            raise ValueError("not square")
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist.") from error
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is not a confusion matrix.") from error
    return counts, tuple(names)
