"""A run's test predictions, and whether two runs have the same test images."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.runs.records import environment
from kerasnets.runs.results import (
    METRICS_FILE,
    Predictions,
    read_metrics,
    read_predictions,
)


@dataclass(frozen=True)
class Evaluated:
    """A run's results on the test split.

    Attributes:
        metrics: the content of metrics.json.
        predictions: one per image.
        fingerprint: of the training dataset.
        files_sha256: of the training dataset's image files, if it consists of such.
    """

    run: Run
    metrics: dict[str, Any]
    predictions: Predictions
    fingerprint: str | None
    files_sha256: str | None

    @property
    def correct(self) -> np.ndarray:
        """Whether each prediction is correct, bool [images]."""
        return self.predictions.prediction == self.predictions.label


def read_evaluated(run: Run) -> Evaluated | None:
    """Read the results of `kerasnets evaluate`, or None if the run is not evaluated.

    Raises:
        RunError: a file is damaged, or the files belong to different evaluations.
    """
    folder = run.results_folder("test")
    if not (folder / METRICS_FILE).exists():
        return None
    metrics = read_metrics(folder)
    if "data_changed" not in metrics:
        raise RunError(f"{folder / METRICS_FILE} lacks data_changed.")
    predictions = read_predictions(folder / "predictions.csv")
    recorded = environment(run)
    results = Evaluated(
        run,
        metrics,
        predictions,
        recorded.get("dataset_fingerprint"),
        recorded.get("dataset_files", {}).get("sha256"),
    )
    images = len(results.correct)
    if (
        images != metrics["images"]
        or not images
        or abs(results.correct.mean() - metrics["accuracy"]) > 1e-9
    ):
        raise RunError(
            f"predictions.csv and metrics.json in {folder} do not fit each other; "
            "evaluate the run again."
        )
    return results


def why_other_images(first: Evaluated, second: Evaluated) -> str | None:
    """Why two runs cannot be compared image by image; None if they can.

    Images that differ only in size, or in grey and color, count as the same.
    """
    a, b = first.run.recipe, second.run.recipe
    if first.files_sha256 != second.files_sha256 or (
        a.dataset != b.dataset and first.files_sha256 is None
    ):
        return "they are on different datasets"
    if first.metrics["data_changed"] or second.metrics["data_changed"]:
        return "one was evaluated on data that it was not trained on"
    p, q = first.predictions, second.predictions
    if not (np.array_equal(p.index, q.index) and np.array_equal(p.label, q.label)):
        return "their test images are different"
    form = attrgetter("image_size", "channels", "resize", "background")
    if form(a) == form(b) and first.fingerprint != second.fingerprint:
        return "the fingerprints of their datasets differ"
    return None
