"""Confusion matrices to point at."""

from typing import Any

import numpy as np

from kerasnets.report.sources import Record, Sources
from kerasnets.runs.results import read_confusion

CELLS_UP_TO = 30  # classes; beyond, a picture is easier to read


def confusion(sources: Sources) -> list[dict[str, Any]]:
    """A matrix for each run that is evaluated."""
    return [_matrix(record) for record in sources.records if record.evaluated]


def _matrix(record: Record) -> dict[str, Any]:
    """Its rows, each the true class and a cell for each prediction; none where they
    are too many."""
    folder = record.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The root makes a few mistakes visible beside hundreds of hits.
    shades = np.where(np.eye(len(names)), shares, shares**0.5)
    return {
        "label": record.label,
        "names": names,
        "drawn": folder / "confusion_matrix.png",
        "rows": [
            (name, [*zip(names, *map(np.ndarray.tolist, cells), strict=True)])
            for name, *cells in zip(names, counts, shares, shades, strict=True)
        ]
        if len(names) <= CELLS_UP_TO
        else [],
    }
