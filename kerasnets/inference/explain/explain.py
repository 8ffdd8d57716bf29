"""Explanations of predictions for images and for a run's mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets import datasets
from kerasnets.errors import RunError, unknown
from kerasnets.inference.classifier import Classifier, Images
from kerasnets.inference.explain.maps import METHODS
from kerasnets.runs.results import PREDICTIONS, check_same_images, read_predictions
from kerasnets.runs.trained import follow_layout

MISTAKES = 12
_BATCH = 16  # images per batch


@dataclass(frozen=True)
class Explanation:
    """The explanation of one prediction.

    Attributes:
        name: the image's name.
        pixels: uint8 [H, W, C], as the network sees it.
        map: float32 [H, W]; larger for pixels that contribute more to `explained`.
        explained: name of the explained class.
        prediction: name of the most probable class.
        confidence: its probability.
        label: name of the true class; "" if unknown.
    """

    name: str
    pixels: np.ndarray
    map: np.ndarray
    explained: str
    prediction: str
    confidence: float
    label: str = ""


def explain(
    classifier: Classifier,
    images: Images,
    *,
    method: str = "grad-cam",
    class_name: str | None = None,
    names: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
) -> list[Explanation]:
    """Explain predictions.

    Args:
        images: see `Classifier.predict`.
        method: one of `kerasnets.inference.explain.maps.METHODS`.
        class_name: the class to explain; each image's prediction unless given.
        names, labels: of the images.

    Raises:
        RunError: the method or the class is unknown, or the network has no suitable
            feature maps for the method.
        DatasetError: an image cannot be read.
    """
    if method not in METHODS:
        raise RunError(unknown("method", method, METHODS))
    if class_name is not None and class_name not in classifier.class_names:
        raise RunError(unknown("class", class_name, classifier.class_names))
    pixels = classifier.pixels(images)
    found: list[Explanation] = []
    for first in range(0, len(pixels), _BATCH):
        part = pixels[first : first + _BATCH]
        probabilities = classifier.probabilities(part)
        predicted = probabilities.argmax(axis=1)
        classes = predicted
        if class_name is not None:
            index = classifier.class_names.index(class_name)
            classes = np.full(len(part), index)
        maps = _maps(classifier, part, method, classes)
        for row in range(len(part)):
            place = first + row
            found.append(
                Explanation(
                    name=str(names[place]) if names else "",
                    pixels=part[row],
                    map=maps[row],
                    explained=classifier.class_names[classes[row]],
                    prediction=classifier.class_names[predicted[row]],
                    confidence=float(probabilities[row].max()),
                    label=labels[place] if labels else "",
                )
            )
    return found


def _maps(
    classifier: Classifier, pixels: np.ndarray, method: str, classes: np.ndarray
) -> np.ndarray:
    with classifier.session():
        follow_layout(classifier.model)
        images = classifier.normalized(pixels)
        more: dict[str, Any] = {}
        if method == "integrated-gradients":
            more["black"] = classifier.normalized(np.zeros_like(pixels[:1]))[0]
        if method == "occlusion":
            # The data's mean, the least informative value, or mid-grey if unknown.
            std = np.array(classifier.preprocessing.std)
            mean = np.array(classifier.preprocessing.mean)
            middle = np.where(mean == 0, 0.5, mean)
            more["grey"] = ((middle - mean) / std).astype("float32")
        return METHODS[method](classifier.model, images, classes, **more)


def mistakes(
    classifier: Classifier,
    *,
    method: str = "grad-cam",
    class_name: str | None = None,
    data_dir: Path | str | None = None,
) -> list[Explanation]:
    """Explain the misclassified test images with the highest confidence, in descending
    order; empty if there are no mistakes.

    Args:
        method, class_name: see `explain`.
        data_dir: folder of prepared datasets; TFDS_DATA_DIR unless given.

    Raises:
        RunError: as `explain`; or the run is not evaluated, or its dataset has changed.
    """
    run = classifier.run
    if not (run.path / PREDICTIONS.file).exists():
        raise RunError(
            f"{run.path} is not evaluated, so its mistakes are unknown; name "
            "images, or evaluate it first."
        )
    predictions = read_predictions(run.path / PREDICTIONS.file)
    dataset = datasets.load_for(run.recipe, data_dir)
    check_same_images(
        run.path, predictions, dataset.test.labels, len(dataset.class_names)
    )
    wrong = np.flatnonzero(predictions.label != predictions.prediction)
    order = np.argsort(-predictions.confidence[wrong], kind="stable")[:MISTAKES]
    rows = predictions.index[wrong[order]]
    return explain(
        classifier,
        np.asarray(dataset.test.images[rows]),
        method=method,
        class_name=class_name,
        names=[f"test-{row}" for row in rows],
        labels=[dataset.class_names[label] for label in dataset.test.labels[rows]],
    )
