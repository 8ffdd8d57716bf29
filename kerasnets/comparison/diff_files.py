"""A difference as files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kerasnets import runs
from kerasnets.comparison.diff import Difference
from kerasnets.comparison.diff_page import page
from kerasnets.errors import DatasetError, InstallationError, RunError
from kerasnets.evaluation.results import write_confusion
from kerasnets.figures import draw_confusion_change, draw_disagreements
from kerasnets.runs import Run, write_csv, write_json, write_text
from kerasnets.runs.results import read_predictions
from kerasnets.storage.folders import prepare_folder

DEFAULT_ROOT = Path("artifacts/differences")

OF_PREDICTIONS = (
    "confusion_difference.csv",
    "confusion_difference.png",
    "disagreements.csv",
    "disagreements.png",
)
FILES = ("difference.json", "difference.md", *OF_PREDICTIONS)


def write_difference(
    difference: Difference, folder: Path | str, data_dir: Path | str | None = None
) -> Difference:
    """Write every file of a difference; docs/comparing.md lists them.

    Files of an earlier difference in the folder are replaced.

    Args:
        data_dir: where prepared datasets are, for the images on which the runs
            disagree; TFDS_DATA_DIR unless given.

    Returns:
        What was written: the difference, with a note if these images could not be
        drawn.

    Raises:
        RunError: the folder holds other files, or cannot be written.
    """
    folder = Path(folder)
    prepare_folder(folder, FILES, marker="difference.json")
    for name in OF_PREDICTIONS:
        (folder / name).unlink(missing_ok=True)
    figures = []
    if found := difference.outcomes:
        pair = [
            runs.load(Path(path))
            for path in (difference.first_run, difference.second_run)
        ]
        labels = (difference.first, difference.second)
        change = np.array(found.confusion)
        path = folder / "confusion_difference.png"
        write_confusion(path.with_suffix(".csv"), change, found.class_names)
        figures.append(draw_confusion_change(change, found.class_names, labels, path))
        path = folder / "disagreements.png"
        _write_disagreements(path.with_suffix(".csv"), *pair)
        try:
            figures.append(draw_disagreements(*pair, labels, path, data_dir))
        except (DatasetError, InstallationError, RunError) as error:
            note = f"Images are not drawn: {error}"
            difference = replace(difference, notes=(*difference.notes, note))
    text = page(difference, [path.name for path in figures])
    write_text(folder / "difference.md", text)
    write_json(folder / "difference.json", difference.to_json())
    return difference


def _write_disagreements(path: Path, first: Run, second: Run) -> None:
    """The test images that the two predict differently."""
    a, b = (
        read_predictions(run.results_folder("test") / "predictions.csv")
        for run in (first, second)
    )
    rows = (a.prediction != b.prediction).nonzero()[0]
    write_csv(
        path,
        [
            "index",
            "label",
            "first_prediction",
            "first_confidence",
            "second_prediction",
            "second_confidence",
        ],
        zip(
            *(
                values[rows].tolist()
                for values in (
                    a.index,
                    a.label,
                    a.prediction,
                    a.confidence,
                    b.prediction,
                    b.confidence,
                )
            ),
            strict=True,
        ),
    )
