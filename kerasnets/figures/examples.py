"""Correctly and incorrectly classified images (the paper's Figure 9)."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kerasnets import datasets
from kerasnets.errors import RunError
from kerasnets.evaluation.results import Predictions, read_predictions
from kerasnets.figures.style import (
    BLUE,
    GRAY,
    INK,
    MARGIN,
    TEXT_SIZE,
    VERMILION,
    WIDTH,
    one_line,
    run_title,
    sheet,
)
from kerasnets.runs import Run

COLUMNS = 6
ROWS = 2  # of each kind

_IMAGE = 0.92  # inches, height and width
_WORDS = 0.46
_HEADING = 0.32
_NAME_LENGTH = 13


@dataclass(frozen=True)
class _Section:
    heading: str
    color: str
    chosen: np.ndarray  # rows of predictions.csv

    @property
    def height(self) -> float:
        return _HEADING + ceil(len(self.chosen) / COLUMNS) * (_IMAGE + _WORDS)


def draw_examples(run: Run, split: str = "test", data_dir: Path | None = None) -> Path:
    """Draw images of a split with prediction, label and confidence.

    Up to two rows of six are correct and as many incorrect. Each kind is ordered by
    confidence and sampled at even distances, the most and the least confident
    included: the choice is always the same, and not made by hand.

    Args:
        run: a run that `evaluate` has measured on `split`.
        split: "test", "validation" or "train".
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.

    Returns:
        The file written: examples.png beside predictions.csv.

    Raises:
        RunError: the split is not evaluated, the data is no longer the evaluated one,
            or the folder is not writable.
        DatasetError: the dataset is missing or damaged.
    """
    folder = run.results_folder(split)
    predictions = read_predictions(folder / "predictions.csv")
    dataset = datasets.load(
        run.recipe.dataset,
        image_size=run.recipe.image_size,
        channels=run.recipe.channels,
        data_dir=data_dir,
    )
    images = dataset.test if split == "test" else dataset.train
    _check_same_images(folder, images, predictions, len(dataset.class_names))
    correct = predictions.label == predictions.prediction
    total = len(correct)
    sections = [
        _section("Correct", BLUE, correct, predictions.confidence, total),
        _section("Incorrect", VERMILION, ~correct, predictions.confidence, total),
    ]
    height = MARGIN + sum(section.height for section in sections)
    path = folder / "examples.png"
    with sheet(
        path,
        title=f"{run_title(run.recipe)}: {split} split",
        subtitle="Chosen at even distances in order of confidence, highest first. "
        "Each image: the prediction (and its probability), and the true class.",
        body_height=height,
    ) as figure:
        figure.set_layout_engine("none")  # every image is placed by hand
        for section in sections:
            _draw_section(figure, section, height, images, predictions, dataset)
            height -= section.height
    return path


def _check_same_images(
    folder: Path, images: datasets.Split, predictions: Predictions, classes: int
) -> None:
    index, prediction = predictions.index, predictions.prediction
    if (
        not len(index)
        or not 0 <= index.min() <= index.max() < len(images.labels)
        or not 0 <= prediction.min() <= prediction.max() < classes
        or (images.labels[index] != predictions.label).any()
    ):
        raise RunError(
            f"{folder / 'predictions.csv'} is about other images than the dataset now "
            "has; evaluate the run again."
        )


def _section(
    kind: str, color: str, of_kind: np.ndarray, confidence: np.ndarray, total: int
) -> _Section:
    rows = of_kind.nonzero()[0]
    rows = rows[np.argsort(-confidence[rows], kind="stable")]
    places = np.linspace(0, len(rows) - 1, min(len(rows), COLUMNS * ROWS))
    count = f"{len(rows):,}" if len(rows) else "none"
    return _Section(
        f"{kind}: {count} of {total:,} images", color, rows[places.round().astype(int)]
    )


def _draw_section(
    figure: Figure,
    section: _Section,
    top: float,
    images: datasets.Split,
    predictions: Predictions,
    dataset: datasets.Dataset,
) -> None:
    height = figure.get_figheight()
    column_width = (WIDTH - 2 * MARGIN) / COLUMNS

    def place(x: float, y: float) -> tuple[float, float]:
        return x / WIDTH, y / height

    figure.text(
        *place(MARGIN, top - 0.1),
        section.heading,
        size=TEXT_SIZE + 1,
        weight="bold",
        color=section.color,
        va="top",
    )
    for number, row in enumerate(section.chosen):
        line, column = divmod(number, COLUMNS)
        center = MARGIN + (column + 0.5) * column_width
        bottom = top - _HEADING - line * (_IMAGE + _WORDS) - _IMAGE
        axes = figure.add_axes(
            (*place(center - _IMAGE / 2, bottom), _IMAGE / WIDTH, _IMAGE / height)
        )
        axes.set_axis_off()
        image = np.asarray(images.images[predictions.index[row]])
        axes.imshow(
            image[..., 0] if image.shape[-1] == 1 else image,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest",
        )
        names = [
            one_line(dataset.class_names[index], _NAME_LENGTH)
            for index in (predictions.prediction[row], predictions.label[row])
        ]
        for offset, text, color in (
            (0.05, f"{names[0]} ({predictions.confidence[row]:.0%})", INK),
            (0.19, f"true: {names[1]}", GRAY),
        ):
            figure.text(
                *place(center, bottom - offset),
                text,
                size=7,
                color=color,
                ha="center",
                va="top",
            )
