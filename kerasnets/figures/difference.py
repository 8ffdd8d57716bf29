"""Disagreement of two runs: in their confusion matrices, and on images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import FuncNorm

from kerasnets import datasets, runs
from kerasnets.catalog.titles import dataset_title
from kerasnets.figures.confusion import (
    COUNTS_UP_TO,
    NAME_LENGTH,
    matrix_height,
    matrix_side,
    name_classes,
)
from kerasnets.figures.examples import NAME_LENGTH as SHORT_NAME
from kerasnets.figures.gallery import Picture, Section, draw_gallery, evenly_chosen
from kerasnets.figures.style import BLUE, INK, VERMILION, one_line, sheet
from kerasnets.runs import Run
from kerasnets.runs.results import Predictions, check_same_images, read_predictions

_LABEL_LENGTH = 24
_DARK = 0.55  # share of the color range beyond which text is white


def draw_confusion_change(
    change: np.ndarray, class_names: Sequence[str], labels: Sequence[str], path: Path
) -> Path:
    """Draw how much more or less often the second of two runs predicts each class.

    Colors show whether this is better, that is more on the diagonal or less elsewhere.

    Args:
        change: int [classes, classes], row: label, column: prediction.
        class_names: names by class index.
        labels: of the two runs.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        `path`.

    Raises:
        RunError: the file cannot be written.
    """
    names = [one_line(name, NAME_LENGTH) for name in class_names]
    first, second = (one_line(label, _LABEL_LENGTH) for label in labels)
    largest = max(2, int(np.abs(change).max()))
    with sheet(
        path,
        title=f"{second} − {first}: predictions",
        subtitle=f"Cells: images for which {second} predicts the class, less those "
        f"for which {first} does; blank is 0. Blue: {second} is better (more on the "
        "diagonal, fewer elsewhere). Red: it is worse.",
        body_height=matrix_height(names),
    ) as figure:
        axes = figure.subplots()
        axes.set_anchor("N")
        # The square root makes a change of few images visible next to one of hundreds.
        norm = FuncNorm((_root, _square), vmin=-largest, vmax=largest)
        better = np.where(np.eye(len(names), dtype=bool), change, -change)
        image = axes.imshow(better, cmap="RdBu", norm=norm)
        name_classes(axes, names)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        if len(names) > COUNTS_UP_TO:
            bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30)
            bar.set_label(f"images in favor of {second}")
            return path
        digit = 0.7 / 72  # inches of width for each point of size, with some space
        letters = len(f"{largest:+,}")
        size = min(8.5, matrix_side(names) / len(names) / (digit * letters))
        for row, column in zip(*change.nonzero(), strict=True):
            count = int(change[row, column])
            dark = (abs(count) / largest) ** 0.5 > _DARK
            axes.text(
                column,
                row,
                f"{count:+,}".replace("-", "−"),
                size=size,
                color="white" if dark else INK,
                ha="center",
                va="center",
            )
    return path


def _root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)


def draw_disagreements(
    first: Run | Path | str,
    second: Run | Path | str,
    labels: Sequence[str],
    path: Path,
    data_dir: Path | str | None = None,
) -> Path:
    """Draw test images that one run classifies correctly and the other does not.

    There are up to two rows of six images for each run, evenly spaced in order of the
    confidence of the run that is wrong. Images have the first run's size and colors.

    Args:
        first, second: runs evaluated on the same test images.
        labels: of the two runs.
        path: a PNG or SVG file; its folder must exist.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.

    Returns:
        `path`.

    Raises:
        RunError: the data has changed since the evaluation, or the file cannot be
            written.
        DatasetError: the dataset is missing or damaged.
    """
    first, second = runs.opened(first), runs.opened(second)
    recipe = first.recipe
    dataset = datasets.load_for(recipe, data_dir)
    both = []
    for run in (first, second):
        folder = run.results_folder("test")
        predictions = read_predictions(folder / "predictions.csv")
        classes = len(dataset.class_names)
        check_same_images(folder, predictions, dataset.test.labels, classes)
        both.append(predictions)
    a, b = (one_line(label, _LABEL_LENGTH) for label in labels)
    return draw_gallery(
        [
            _section(f"Only {a} is right", BLUE, both[0], both[1], dataset),
            _section(f"Only {b} is right", VERMILION, both[1], both[0], dataset),
        ],
        path,
        title=f"{a} and {b} · {dataset_title(recipe.dataset)}",
        subtitle="Test images that one of the two classifies correctly. Each image: "
        "the true class with the probability that the run which is right gives it, and "
        "what the other takes it for. Chosen at even distances in order of the "
        "confidence of the run that is wrong, highest first.",
    )


def _section(
    heading: str,
    color: str,
    right: Predictions,
    wrong: Predictions,
    dataset: datasets.Dataset,
) -> Section:
    names = [one_line(name, SHORT_NAME) for name in dataset.class_names]
    rows = (
        (right.prediction == right.label) & (wrong.prediction != wrong.label)
    ).nonzero()[0]
    count = f"{len(rows):,}" if len(rows) else "none"
    return Section(
        f"{heading}: {count} of {len(right.label):,} images",
        color,
        [
            Picture(
                np.asarray(dataset.test.images[right.index[row]]),
                f"{names[right.label[row]]} ({right.confidence[row]:.0%})",
                f"not {names[wrong.prediction[row]]} ({wrong.confidence[row]:.0%})",
            )
            for row in evenly_chosen(rows, wrong.confidence[rows])
        ],
    )
