"""The exported network: from an image's pixels to probabilities."""

import json
from typing import Any

import keras
import numpy as np

from kerasnets.compute.execution import Execution
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.inference.classifier import Classifier
from kerasnets.networks.from_recipe import from_recipe
from kerasnets.version import __version__

INPUT, OUTPUT = "images", "probabilities"


def in_float32(classifier: Classifier) -> Classifier:
    """The classifier in float32, as exporters do not support mixed precision."""
    recipe = classifier.run.recipe
    if recipe.precision == "float32":
        return classifier
    with Execution(device="cpu").begin() as (_, engine):
        model = rebuilt(classifier)
        model.set_weights(classifier.model.get_weights())
        return Classifier(
            classifier.run,
            model,
            classifier.preprocessing,
            Execution(device="cpu"),
            engine,
        )


def rebuilt(classifier: Classifier) -> keras.Model:
    """A newly built network of the run's recipe."""
    return from_recipe(
        classifier.run.recipe,
        classifier.model.input_shape[1:],
        len(classifier.class_names),
    )


def from_pixels(classifier: Classifier) -> keras.Model:
    """A network that maps uint8 [N, H, W, C] to float32 probabilities [N, classes],
    including normalization. It shares the classifier's weights."""
    steps = classifier.preprocessing
    std = np.array(steps.std)
    normalize = keras.layers.Rescaling(
        (steps.scale / std).tolist(),
        (-np.array(steps.mean) / std).tolist(),
        dtype="float32",
        name="normalization",
    )
    shape = (steps.height, steps.width, len(steps.mean))
    images = keras.Input(shape, dtype="uint8", name=INPUT)
    x = images
    if steps.data_format == "channels_first":
        x = keras.layers.Permute((3, 1, 2), name="channels_first")(x)
    logits = classifier.model(normalize(x))
    outputs = keras.layers.Softmax(dtype="float32", name=OUTPUT)(logits)
    return keras.Model(images, outputs, name=classifier.model.name)


def metadata(classifier: Classifier) -> dict[str, str]:
    """Metadata for users of the file; each value is text or JSON."""
    steps = classifier.preprocessing
    return {
        "class_names": json.dumps(steps.class_names),
        "input": steps.rule,
        "preprocessing": json.dumps(_as_dict(steps)),
        "recipe": classifier.run.recipe.to_json().strip(),
        "kerasnets": __version__,
    }


def _as_dict(steps: Preprocessing) -> dict[str, Any]:
    return {
        name: getattr(steps, name)
        for name in (
            *("mode", "background", "height", "width", "resize", "resampling"),
            *("scale", "mean", "std"),
        )
    }
