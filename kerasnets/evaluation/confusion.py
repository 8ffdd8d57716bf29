"""A confusion matrix as a CSV file: a header of class names, then a row a label."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnets.errors import RunError
from kerasnets.files import read_csv_rows, write_csv


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
