"""Images: correct and incorrect ones of each run, and those of the classes that it
confuses most."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnets import datasets
from kerasnets.catalog.locations import is_at_hand
from kerasnets.errors import RunError
from kerasnets.figures.examples import check_same_images
from kerasnets.report.html import (
    Html,
    element,
    folded,
    joined,
    paragraph,
    picture,
    section,
    thumbnail,
)
from kerasnets.report.sources import Record
from kerasnets.runs.results import Predictions, read_confusion

PAIRS = 5  # of classes, for each run
IMAGES = 6  # for each pair


def examples_section(
    records: Sequence[Record], data_dir: Path | str | None = None
) -> Html:
    """Examples and confused pairs of each run that is evaluated.

    Args:
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given. Nothing is
            downloaded: without the images, pairs are counted only.
    """
    parts = [
        folded(
            record.label,
            _examples(record),
            element("h3", "Classes confused most"),
            _pairs(record, data_dir),
        )
        for record in records
        if record.evaluated
    ]
    if not parts:
        return Html()
    return section(
        "examples",
        "Right and wrong, image by image",
        paragraph("Of the test images; press a run's name to open or close it."),
        *parts,
    )


def _examples(record: Record) -> Html:
    drawn = record.run.results_folder("test") / "examples.png"
    if drawn.exists():
        return picture(drawn, f"Correct and incorrect examples of {record.label}")
    return paragraph(
        "There is no examples.png in the run folder; 'kerasnets evaluate' draws it."
    )


def confused_pairs(counts: np.ndarray) -> list[tuple[int, int]]:
    """The `PAIRS` most frequent mistakes, as (label, prediction), commonest first.

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


def _pairs(record: Record, data_dir: Path | str | None) -> Html:
    assert record.evaluated
    folder = record.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    pairs = confused_pairs(counts)
    if not pairs:
        return paragraph("None: every test image is classified correctly.")
    predictions = record.evaluated.predictions
    images, obstacle = _images(record, len(names), data_dir)
    rows = []
    for label, prediction in pairs:
        count, total = int(counts[label, prediction]), int(counts[label].sum())
        words = (
            f"true {names[label]}, predicted {names[prediction]}: {count:,} of "
            f"{total:,} images ({count / total:.1%})"
        )
        strip = []
        if images is not None:
            for row in _most_confident(predictions, label, prediction):
                said = (
                    f"true {names[label]}, predicted {names[prediction]} "
                    f"({predictions.confidence[row]:.0%})"
                )
                strip.append(
                    thumbnail(np.asarray(images[predictions.index[row]]), said)
                )
        rows.append(element("li", words, element("div", *strip, class_="strip")))
    note = (
        f"The {IMAGES} most confident mistakes of each pair."
        if images is not None
        else f"Counts only: {obstacle}."
    )
    return joined([element("ol", *rows, class_="pairs"), paragraph(note, "note")])


def _most_confident(
    predictions: Predictions, label: int, prediction: int
) -> np.ndarray:
    of_pair = (predictions.label == label) & (predictions.prediction == prediction)
    rows = of_pair.nonzero()[0]
    return rows[np.argsort(-predictions.confidence[rows], kind="stable")][:IMAGES]


def _images(
    record: Record, classes: int, data_dir: Path | str | None
) -> tuple[np.ndarray | None, str]:
    """The test images, uint8 [N, H, W, C], or None and why they are not at hand."""
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
