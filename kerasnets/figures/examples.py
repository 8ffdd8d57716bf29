"""Correctly and incorrectly classified images (the paper's Figure 9)."""

from pathlib import Path

import numpy as np

from kerasnets import datasets, runs
from kerasnets.figures.gallery import Picture, Section, draw_gallery, evenly_chosen
from kerasnets.figures.style import BLUE, VERMILION, one_line, run_title
from kerasnets.runs import Run
from kerasnets.runs.results import (
    PREDICTIONS,
    Predictions,
    check_same_images,
    read_predictions,
)

NAME_LENGTH = 13  # characters of a class name that fit below an image


def draw_examples(
    run: Run | Path | str, split: str = "test", data_dir: Path | str | None = None
) -> Path:
    """Draw images of a split with prediction, label and confidence.

    Up to two rows of six are correct and as many incorrect. Each kind is ordered by
    confidence and sampled evenly, including the most and the least confident, so the
    choice is reproducible and not hand-picked.

    Args:
        run: a run evaluated on `split`.
        split: "test", "validation" or "train".
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.

    Returns:
        The file written: examples.png next to predictions.csv.

    Raises:
        RunError: the split is not evaluated, the data has changed since, or the folder
            is not writable.
        DatasetError: the dataset is missing or damaged.
    """
    run = runs.opened(run)
    folder = run.results_folder(split)
    predictions = read_predictions(folder / PREDICTIONS.file)
    dataset = datasets.load_for(run.recipe, data_dir)
    images = dataset.test if split == "test" else dataset.train
    check_same_images(folder, predictions, images.labels, len(dataset.class_names))
    correct = predictions.label == predictions.prediction
    return draw_gallery(
        [
            _section("Correct", BLUE, correct, predictions, images, dataset),
            _section("Incorrect", VERMILION, ~correct, predictions, images, dataset),
        ],
        folder / "examples.png",
        title=f"{run_title(run.recipe)}: {split} split",
        subtitle="Chosen at even distances in order of confidence, highest first. "
        "Each image: the prediction (and its probability), and the true class.",
    )


def _section(
    kind: str,
    color: str,
    of_kind: np.ndarray,
    predictions: Predictions,
    images: datasets.Split,
    dataset: datasets.Dataset,
) -> Section:
    rows = of_kind.nonzero()[0]
    names = [one_line(name, NAME_LENGTH) for name in dataset.class_names]
    count = f"{len(rows):,}" if len(rows) else "none"
    return Section(
        f"{kind}: {count} of {len(of_kind):,} images",
        color,
        [
            Picture(
                np.asarray(images.images[predictions.index[row]]),
                f"{names[predictions.prediction[row]]} "
                f"({predictions.confidence[row]:.0%})",
                f"true: {names[predictions.label[row]]}",
            )
            for row in evenly_chosen(rows, predictions.confidence[rows])
        ],
    )
