"""Confusion matrices (the paper's Figure 10)."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter

from kerasnets import runs
from kerasnets.errors import RunError
from kerasnets.figures.style import (
    INK,
    MARGIN,
    TEXT_SIZE,
    WIDTH,
    one_line,
    run_title,
    sheet,
)
from kerasnets.runs import Run
from kerasnets.runs.records import VALIDATION_CONFUSION, validation_confusion
from kerasnets.statistics import collapsed_class

_SHARES_UP_TO = 12  # maximum number of classes for counts and shares in the cells
COUNTS_UP_TO = 16  # maximum number of classes for counts in the cells
_NAMES_UP_TO = 40  # maximum number of names along an axis
NAME_LENGTH = 18
_DARK = 0.35  # minimum share of cells with white text


def draw_confusion(
    counts: np.ndarray, class_names: Sequence[str], title: str, path: Path
) -> Path:
    """Draw how often images of each class (rows) were predicted as each class
    (columns).

    The color is the share of the row. With up to 12 classes, the cells show count and
    share; with up to 16, the count. Beyond 40, not every class is named.

    Args:
        counts: int [classes, classes], row: label, column: prediction, for at least two
            classes.
        class_names: names by class index.
        title: one line; number of images and accuracy are added.
        path: the PNG or SVG file; its folder must exist.

    Returns:
        `path`.

    Raises:
        RunError: the file cannot be written.
    """
    classes = len(class_names)
    names = [one_line(name, NAME_LENGTH) for name in class_names]
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    subtitle = _facts(counts, names)
    height = matrix_height(names)
    with sheet(path, title=title, subtitle=subtitle, body_height=height) as figure:
        axes = figure.subplots()
        axes.set_anchor("N")
        # The square root makes an error of 1 % visible next to 99 % correct.
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
        name_classes(axes, names)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        if classes <= COUNTS_UP_TO:
            _write_cells(axes, counts, shares, width=matrix_side(names) / classes)
        if classes > _SHARES_UP_TO:
            bar = figure.colorbar(
                image,
                ax=axes,
                shrink=0.6,
                aspect=30,
                ticks=[0, 0.01, 0.05, 0.2, 0.5, 1],
                format=PercentFormatter(xmax=1, decimals=0),
            )
            bar.set_label("share of the true class")
    return path


def draw_validation_confusion(
    run: Run | Path | str, class_names: Sequence[str]
) -> Path:
    """Draw the confusion matrix of the last epoch in validation_confusion.csv.

    Returns:
        The file written: validation_confusion.png in the run folder.

    Raises:
        RunError: no epoch is recorded, or the folder is damaged or not writable.
    """
    run = runs.opened(run)
    rows = validation_confusion(run)
    counts = np.zeros((len(class_names), len(class_names)), np.int64)
    try:
        last = max(epoch for epoch, *_ in rows)
        for epoch, label, prediction, count in rows:
            if epoch == last:
                counts[label, prediction] = count
    except (IndexError, OverflowError, ValueError) as error:
        raise RunError(
            f"{run.path / VALIDATION_CONFUSION.file} does not hold the confusion of an "
            f"epoch among {len(class_names)} classes."
        ) from error
    monitored = "test split" if run.recipe.validation == "test" else "validation split"
    return draw_confusion(
        counts,
        class_names,
        f"{run_title(run.recipe)}: {monitored} after epoch {last}",
        run.path / "validation_confusion.png",
    )


def _facts(counts: np.ndarray, names: Sequence[str]) -> str:
    images, correct = int(counts.sum()), int(counts.trace())
    share = correct / images if images else 0.0
    facts = f"{correct:,} of {images:,} images correct: accuracy {share:.2%}."
    if len(names) <= _SHARES_UP_TO:
        facts += " Cells: images, and their share of the true class; blank is 0."
    elif len(names) <= COUNTS_UP_TO:
        facts += " Cells: images; blank is 0."
    if len(names) > _NAMES_UP_TO:
        facts += f" One class in {_step(len(names))} is named."
    collapsed = collapsed_class(counts.sum(axis=0))
    if collapsed:
        index, share = collapsed
        facts += f" Collapsed: {share:.1%} of the predictions are “{names[index]}”."
    return facts


def matrix_height(names: Sequence[str]) -> float:
    """Height in inches of a matrix, including the names along its side."""
    turned = _longest(names) if max(map(len, names)) > 4 else 0
    return matrix_side(names) + 0.6 + 0.75 * turned


def matrix_side(names: Sequence[str]) -> float:
    """Side in inches of the square matrix, without names and color bar."""
    if len(names) <= 5:
        return 4.0
    bar = 0 if len(names) <= _SHARES_UP_TO else 0.9
    return WIDTH - 2 * MARGIN - 0.3 - _longest(names) - bar


def _longest(names: Sequence[str]) -> float:
    """Approximate width in inches of the longest name."""
    letter = 0.075 if len(names) <= COUNTS_UP_TO else 0.05
    return letter * max(map(len, names))


def _step(classes: int) -> int:
    return ceil(classes / _NAMES_UP_TO)


def name_classes(axes: Axes, names: Sequence[str]) -> None:
    """Write as many names along both sides as fit."""
    shown = range(0, len(names), _step(len(names)))
    labels = [names[index] for index in shown]
    size = TEXT_SIZE if len(names) <= COUNTS_UP_TO else 6
    turn: dict[str, Any]
    if len(names) > COUNTS_UP_TO:
        turn = {"rotation": 90}
    elif max(map(len, names)) > 4:
        turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    else:
        turn = {}
    axes.set_xticks(shown, labels, size=size, **turn)
    axes.set_yticks(shown, labels, size=size)
    axes.tick_params(length=0 if len(names) <= _NAMES_UP_TO else 2)
    axes.spines[:].set_visible(False)


def _write_cells(
    axes: Axes, counts: np.ndarray, shares: np.ndarray, *, width: float
) -> None:
    """Write into cells that are `width` inches wide."""
    with_shares = len(counts) <= _SHARES_UP_TO
    digit = 0.7 / 72  # inches of width for each point of size, with some space
    longest = len(f"{counts.max():,}")
    size = min(8.5 if with_shares else 6.5, width / (digit * longest))
    for row, column in zip(*counts.nonzero(), strict=True):
        share = shares[row, column]
        lines = [(4 if with_shares else 0, size, f"{counts[row, column]:,}")]
        if with_shares:
            lines.append((-6, size - 2, f"{share:.1%}"))
        for points_up, size_of_line, text in lines:
            axes.annotate(
                text,
                (column, row),
                (0, points_up),
                textcoords="offset points",
                size=size_of_line,
                color="white" if share > _DARK else INK,
                ha="center",
                va="center",
            )
