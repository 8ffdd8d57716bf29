"""A network by its stages: what is frozen, and at which rate the rest learns.

From the images to the logits: the stem (0), stages 1, 2, ... with what leads to the
next one, VGG's two dense layers, and the head, which is the last layer alone.
"""

import re
from collections.abc import Iterator

import keras

from kerasnets.catalog.networks import HEAD, NETWORKS, frozen_stages


def freeze(model: keras.Model, what: str) -> None:
    """Take layers of a network out of training; the others are put back.

    The batch norms among them keep their statistics, and use them in training too.

    Args:
        model: made by `kerasnets.build_model`.
        what: as in a recipe: "none", "all-but-head" or "stages:N".
    """
    last = frozen_stages(model.name, what)
    for layer, stage in _staged(model):
        layer.trainable = stage > last


def rates(model: keras.Model, head: float, decay: float) -> dict[int, float]:
    """Factors of the learning rate, by the id of the weight; those that are 1 are left
    out.

    Args:
        head: the head's factor.
        decay: from the rate of a stage to that of the one before it; the head counts
            as a stage whose factor is 1.
    """
    if head == decay == 1:
        return {}
    stages = sorted({stage for _, stage in _staged(model)}, reverse=True)
    found: dict[int, float] = {}
    for layer, stage in _staged(model):
        factor = decay ** stages.index(stage)
        if layer.name == HEAD:
            factor *= head
        if factor != 1:
            found |= {id(weight): factor for weight in layer.weights}
    return found


def _staged(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, int]]:
    """The layers with weights, and the stage of each."""
    stages = NETWORKS[model.name].stages
    for layer in model.layers:
        if not layer.weights:
            continue
        named = re.match(r"(?:stage|transition)(\d+)_", layer.name)
        if named:
            yield layer, int(named[1])
        elif layer.name == HEAD:
            yield layer, stages + 2
        elif layer.name.startswith("stem"):
            yield layer, 0
        else:  # DenseNet's last norm ends its last stage; VGG's dense layers follow
            yield layer, stages + (layer.name != "final_norm")
