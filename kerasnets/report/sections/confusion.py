"""Interactive confusion matrices, and metrics for imbalanced and for two classes."""

from typing import Any

import numpy as np

from kerasnets.report.sources import Record, Sources
from kerasnets.runs.results import THRESHOLDS, read_confusion, read_thresholds

CELLS_UP_TO = 30  # maximum number of classes; for more, a picture is better

_FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
}


def confusion(sources: Sources) -> list[dict[str, Any]]:
    """One matrix for each evaluated run."""
    return [
        _matrix(record, record.evaluated.metrics)
        for record in sources.records
        if record.evaluated
    ]


def _matrix(record: Record, metrics: dict[str, Any]) -> dict[str, Any]:
    """A matrix with a row for each true class and a cell for each prediction; without
    rows if there are too many classes."""
    positive = metrics.get("positive_class")
    folder = record.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The square root keeps a few mistakes visible next to hundreds of hits.
    shades = np.where(np.eye(len(names)), shares, shares**0.5)
    return {
        "label": record.label,
        "names": names,
        # Older evaluations lack some of these.
        "figures": {
            title: metrics[name]
            for name, title in _FIGURES.items()
            if metrics.get(name) is not None
        },
        "positive": positive,
        "thresholds": []
        if positive is None
        else read_thresholds(folder / THRESHOLDS.file),
        "drawn": folder / "confusion_matrix.png",
        "rows": [
            (name, [*zip(names, *map(np.ndarray.tolist, cells), strict=True)])
            for name, *cells in zip(names, counts, shares, shades, strict=True)
        ]
        if len(names) <= CELLS_UP_TO
        else [],
    }
