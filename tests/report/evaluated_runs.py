"""Runs with everything that a report shows."""

import numpy as np
from made_runs import CLASSES, make_run

from kerasnets import runs
from kerasnets.evaluation.results import write_confusion
from kerasnets.runs import Run


def add_confusion(run: Run, names=CLASSES) -> None:
    """Write the confusion matrix of the run's predictions."""
    rows = runs.read_csv(run.path / "predictions.csv")
    counts = np.zeros((10, 10), int)
    for row in rows:
        counts[int(row["label"]), int(row["prediction"])] += 1
    write_confusion(run.path / "confusion_matrix.csv", counts, names)


def made(path, wrong=range(40), **named) -> Run:
    """`make_run`, with its confusion matrix."""
    run = make_run(path, wrong=wrong, **named)
    add_confusion(run)
    return run
