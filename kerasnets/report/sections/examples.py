"""Images that each run classifies correctly and incorrectly, and images of its most
confused classes."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasnets import datasets
from kerasnets.catalog.places import is_at_hand
from kerasnets.datasets.dataset import Images
from kerasnets.errors import RunError
from kerasnets.figures.examples import check_same_images
from kerasnets.report.sources import Record, Sources
from kerasnets.runs.results import Predictions, read_confusion

PAIRS = 5  # pairs of classes per run
IMAGES = 6  # images per pair


def examples(sources: Sources) -> list[dict[str, Any]]:
    """Examples and confused pairs of each evaluated run. Nothing is downloaded; if the
    images are missing, pairs are only counted.
    """
    return [
        _run(record, sources.data_dir) for record in sources.records if record.evaluated
    ]


def _run(record: Record, data_dir: Path | str | None) -> dict[str, Any]:
    assert record.evaluated
    folder = record.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    pairs = confused_pairs(counts)
    images, obstacle = None, ""
    if pairs:
        images, obstacle = _images(record, len(names), data_dir)
    predictions = record.evaluated.predictions
    return {
        "label": record.label,
        "drawn": folder / "examples.png",
        "obstacle": obstacle,
        "limit": IMAGES,
        "pairs": [
            {
                "actual": names[label],
                "predicted": names[prediction],
                "count": int(counts[label, prediction]),
                "total": int(counts[label].sum()),
                "images": []
                if images is None
                else [
                    (
                        np.asarray(images[predictions.index[row]]),
                        float(predictions.confidence[row]),
                    )
                    for row in _most_confident(predictions, label, prediction)
                ],
            }
            for label, prediction in pairs
        ],
    }


def confused_pairs(counts: np.ndarray) -> list[tuple[int, int]]:
    """The `PAIRS` most frequent mistakes, as (label, prediction), most frequent first.

    Args:
        counts: confusion matrix, int [classes, classes], row: label.
    """
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    return [
        (int(label), int(prediction))
        for label, prediction in zip(
            *np.unravel_index(order, counts.shape), strict=True
        )
        if mistakes[label, prediction]
    ]


def _most_confident(
    predictions: Predictions, label: int, prediction: int
) -> np.ndarray:
    of_pair = (predictions.label == label) & (predictions.prediction == prediction)
    rows = of_pair.nonzero()[0]
    return rows[np.argsort(-predictions.confidence[rows], kind="stable")][:IMAGES]


def _images(
    record: Record, classes: int, data_dir: Path | str | None
) -> tuple[Images | None, str]:
    """The test images, uint8 [N, H, W, C], or None and why they are unavailable."""
    assert record.evaluated
    recipe = record.run.recipe
    if not is_at_hand(recipe.dataset, data_dir):
        return None, f"the dataset {recipe.dataset} is not on this machine"
    dataset = datasets.load_for(recipe, data_dir)
    folder = record.run.results_folder("test")
    try:
        check_same_images(folder, dataset.test, record.evaluated.predictions, classes)
    except RunError:
        return None, "the dataset now holds other images than were evaluated"
    return dataset.test.images, ""
