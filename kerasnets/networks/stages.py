"""The stages of a network: which are frozen, and the learning rates of the others.

From images to logits: the stem (0), stages 1, 2, ... with the transition to the next,
VGG's two dense layers, and the head, which is the last layer.
"""

import re
from collections.abc import Iterator

import keras

from kerasnets.catalog.networks import HEAD, NETWORKS, frozen_stages


def freeze(model: keras.Model, what: str) -> None:
    """Freeze layers of a network, and unfreeze the others.

    Frozen batch norms keep their statistics, and use them in training too.

    Args:
        model: from `kerasnets.build_model`.
        what: "none", "all-but-head" or "stages:N", as in a recipe.
    """
    last = frozen_stages(model.name, what)
    for layer, stage in _staged(model):
        layer.trainable = stage > last


def rates(model: keras.Model, head: float, decay: float) -> dict[int, float]:
    """Factors of the learning rate by the id of the weight, without those that are 1.

    Args:
        head: the head's factor.
        decay: factor from each stage to the one before it, beginning with 1 at the
            head.
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
    """Yield each layer with weights and its stage."""
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
