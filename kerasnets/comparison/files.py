"""A comparison and a difference as files; docs/comparing.md lists them."""

from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets import runs
from kerasnets.comparison.compare import Comparison
from kerasnets.comparison.diff import Difference
from kerasnets.comparison.pages import comparison_page, difference_page
from kerasnets.comparison.row import Row
from kerasnets.errors import DatasetError, InstallationError, RunError
from kerasnets.evaluation.results import write_confusion
from kerasnets.figures import (
    draw_confusion_change,
    draw_disagreements,
    draw_overlay,
    draw_pareto,
)
from kerasnets.runs import Run, write_csv, write_json, write_text
from kerasnets.runs.results import read_predictions
from kerasnets.storage.folders import prepare_folder

COMPARISONS = Path("artifacts/comparisons")
DIFFERENCES = Path("artifacts/differences")

PARETO = ("pareto.png", "pareto.svg")
OF_COMPARISON = (
    *(f"comparison.{kind}" for kind in ("csv", "json", "md")),
    *("agreement.csv", "mcnemar.csv", "curves.png", "curves.svg"),
    *PARETO,
)
OF_PREDICTIONS = tuple(
    f"{name}.{kind}"
    for name in ("confusion_difference", "disagreements")
    for kind in ("csv", "png")
)
OF_DIFFERENCE = ("difference.json", "difference.md", *OF_PREDICTIONS)

# Columns of mcnemar.csv, and the attributes of a `PairTest` that fill them.
_TESTS = {
    "first": "first",
    "second": "second",
    "only_first": "test.only_first",
    "only_second": "test.only_second",
    "difference": "test.difference",
    "difference_low": "test.interval.low",
    "difference_high": "test.interval.high",
    "p": "test.p",
    "holm_p": "holm_p",
}


def write_comparison(comparison: Comparison, folder: Path | str) -> None:
    """Write every file of a comparison, replacing an earlier one.

    Raises:
        RunError: the folder contains other files, or cannot be written.
    """
    folder = Path(folder)
    prepare_folder(folder, OF_COMPARISON, marker="comparison.json")
    rows = [_cells(row) for row in comparison.rows]
    cells = [list(row.values()) for row in rows]
    write_csv(folder / "comparison.csv", list(rows[0]), cells)
    tests = map(attrgetter(*_TESTS.values()), comparison.mcnemar)
    write_csv(folder / "mcnemar.csv", list(_TESTS), tests)
    labels = [row.label for row in comparison.rows]
    shares = zip(labels, *comparison.agreement, strict=True)  # symmetric
    write_csv(folder / "agreement.csv", ["run", *labels], shares)
    report = comparison.to_json()
    for name in PARETO:
        draw_overlay(report, folder / name.replace("pareto", "curves"))
        if comparison.pareto:
            draw_pareto(report, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    write_text(folder / "comparison.md", comparison_page(comparison).markdown())
    write_json(folder / "comparison.json", report)


def _cells(row: Row) -> dict[str, Any]:
    """All numbers of a row, unrounded, with the interval in two columns."""
    cells: dict[str, Any] = {}
    for name, value in vars(row).items():
        if name == "interval":
            for end in ("low", "high"):
                cells[f"interval_{end}"] = getattr(value, end, None)
        elif name != "curve":
            cells[name] = value
    return cells


def write_difference(
    difference: Difference, folder: Path | str, data_dir: Path | str | None = None
) -> Difference:
    """Write every file of a difference, replacing an earlier one.

    Args:
        data_dir: folder of prepared datasets, for the images on which the runs
            disagree; TFDS_DATA_DIR unless given.

    Returns:
        The written difference, with a note if these images could not be drawn.

    Raises:
        RunError: the folder contains other files, or cannot be written.
    """
    folder = Path(folder)
    prepare_folder(folder, OF_DIFFERENCE, marker="difference.json")
    for name in OF_PREDICTIONS:
        (folder / name).unlink(missing_ok=True)
    if found := difference.outcomes:
        pair = runs.load(difference.first_run), runs.load(difference.second_run)
        labels = (difference.first, difference.second)
        change = np.array(found.confusion)
        path = folder / "confusion_difference.png"
        write_confusion(path.with_suffix(".csv"), change, found.class_names)
        draw_confusion_change(change, found.class_names, labels, path)
        path = folder / "disagreements.png"
        _write_disagreements(path.with_suffix(".csv"), *pair)
        try:
            draw_disagreements(*pair, labels, path, data_dir)
        except (DatasetError, InstallationError, RunError) as error:
            note = f"Images are not drawn: {error}"
            difference = replace(difference, notes=(*difference.notes, note))
    page = difference_page(difference, [path.name for path in folder.glob("*.png")])
    write_text(folder / "difference.md", page.markdown())
    write_json(folder / "difference.json", difference.to_json())
    return difference


def _write_disagreements(path: Path, first: Run, second: Run) -> None:
    """Write the test images for which the predictions differ."""
    a, b = (
        read_predictions(run.results_folder("test") / "predictions.csv")
        for run in (first, second)
    )
    columns = {
        "index": a.index,
        "label": a.label,
        "first_prediction": a.prediction,
        "first_confidence": a.confidence,
        "second_prediction": b.prediction,
        "second_confidence": b.confidence,
    }
    differ = a.prediction != b.prediction
    cells = (values[differ].tolist() for values in columns.values())
    write_csv(path, list(columns), zip(*cells, strict=True))
