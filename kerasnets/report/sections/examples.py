"""Images that each run classifies correctly and incorrectly, and images of its most
confused classes."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasnets import datasets
from kerasnets.catalog.places import is_at_hand
from kerasnets.comparison.evaluated import Evaluated
from kerasnets.datasets.dataset import Images
from kerasnets.errors import RunError
from kerasnets.report.sources import Sources
from kerasnets.runs.results import Predictions, check_same_images, read_confusion
from kerasnets.statistics import largest_cells

PAIRS = 5  # pairs of classes per run
IMAGES = 6  # images per pair


def examples(sources: Sources) -> list[dict[str, Any]]:
    """Examples and confused pairs of each evaluated run. Nothing is downloaded; if the
    images are missing, pairs are only counted."""
    return [
        {"label": record.label, **_run(record.evaluated, sources.data_dir)}
        for record in sources.records
        if record.evaluated
    ]


def _run(evaluated: Evaluated, data_dir: Path | str | None) -> dict[str, Any]:
    folder = evaluated.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    pairs = largest_cells(mistakes, PAIRS)
    images, obstacle = None, ""
    if pairs:
        images, obstacle = _images(evaluated, len(names), data_dir)
    return {
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
                else _most_confident(images, evaluated.predictions, label, prediction),
            }
            for label, prediction in pairs
        ],
    }


def _most_confident(
    images: Images, predictions: Predictions, label: int, prediction: int
) -> list[tuple[np.ndarray, float]]:
    """The images of a pair with the highest confidence, and the confidence."""
    of_pair = (predictions.label == label) & (predictions.prediction == prediction)
    rows = of_pair.nonzero()[0]
    rows = rows[np.argsort(-predictions.confidence[rows], kind="stable")][:IMAGES]
    shown = zip(predictions.index[rows], predictions.confidence[rows], strict=True)
    return [(np.asarray(images[index]), float(share)) for index, share in shown]


def _images(
    evaluated: Evaluated, classes: int, data_dir: Path | str | None
) -> tuple[Images | None, str]:
    """The test images, uint8 [N, H, W, C], or None and why they are unavailable."""
    recipe = evaluated.run.recipe
    if not is_at_hand(recipe.dataset, data_dir):
        return None, f"the dataset {recipe.dataset} is not on this machine"
    dataset = datasets.load_for(recipe, data_dir)
    folder = evaluated.run.results_folder("test")
    try:
        check_same_images(folder, evaluated.predictions, dataset.test.labels, classes)
    except RunError:
        return None, "the dataset now holds other images than were evaluated"
    return dataset.test.images, ""
