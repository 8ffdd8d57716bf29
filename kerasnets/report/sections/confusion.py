"""Confusion matrices to point at, and the pairs of classes that are confused most."""

from collections.abc import Sequence

import numpy as np

from kerasnets.report.html import Html, element, paragraph, picture, scrolled, section
from kerasnets.report.sources import Record
from kerasnets.runs.results import read_confusion

CELLS_UP_TO = 30  # classes; beyond, a picture is easier to read


def confusion_section(records: Sequence[Record]) -> Html:
    """A matrix for each run that is evaluated."""
    matrices = [
        element("div", element("h3", record.label), _matrix(record), class_="card")
        for record in records
        if record.evaluated
    ]
    if not matrices:
        return Html()
    return section(
        "confusion",
        "Which class is taken for which",
        paragraph(
            "Test images, rows by true class, columns by prediction. Blue: right. "
            "Orange: wrong; the darker, the larger the share of the row. Point at a "
            "cell, or move with the arrow keys, to read it."
        ),
        element("div", *matrices, class_="cards"),
    )


def _matrix(record: Record) -> Html:
    folder = record.run.results_folder("test")
    counts, names = read_confusion(folder / "confusion_matrix.csv")
    if len(names) <= CELLS_UP_TO:
        return _cells(record.label, counts, names)
    drawn = folder / "confusion_matrix.png"
    if drawn.exists():
        return picture(drawn, f"Confusion matrix of {record.label}")
    return paragraph(
        f"{len(names)} classes are too many for a table here; confusion_matrix.csv in "
        "the run folder has them."
    )


def _cells(label: str, counts: np.ndarray, names: Sequence[str]) -> Html:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    head = [element("th", name, scope="col") for name in names]
    rows = [element("tr", element("td"), *head)]
    for true, name in enumerate(names):
        cells = []
        for predicted, other in enumerate(names):
            count, share = int(counts[true, predicted]), float(shares[true, predicted])
            # The root makes a few mistakes visible beside hundreds of hits.
            shade = share if true == predicted else share**0.5
            cells.append(
                element(
                    "td",
                    f"{count}" if count else "",
                    title=f"true {name}, predicted {other}: {count:,} images, "
                    f"{share:.1%} of this row",
                    style=f"--p:{100 * shade:.0f}%",
                    class_=" ".join(
                        word
                        for word, holds in (
                            ("right", true == predicted),
                            ("dark", shade > 0.5),
                        )
                        if holds
                    )
                    or None,
                    tabindex=0 if true == predicted == 0 else -1,
                )
            )
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    matrix = element("table", element("tbody", *rows), class_="matrix")
    return element(
        "div",
        scrolled(matrix, f"Confusion matrix of {label}"),
        element("p", Html("&nbsp;"), class_="says", aria_live="polite"),
    )
