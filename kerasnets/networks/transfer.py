"""Transfer of weights to another task: which layers receive them, and which are newly
initialized."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnets.catalog.networks import HEAD, NETWORKS
from kerasnets.errors import WeightsError, option, shown
from kerasnets.networks.pretrained import (
    as_keras,
    named_arrays,
    torch_shape,
    torchvision_names,
)

_FIRST = ("stem_conv", "stage1_conv1")
_MAY_BE_NEW = (HEAD, "stem_conv", "fc1")  # of another --stem or --head
_FOLLOWS = {"stem_conv_norm": "stem_conv", "fc2": "fc1"}  # new if the other is new


@dataclass
class Transferred:
    """Result of a transfer.

    Attributes:
        loaded: layers that received weights, in network order.
        adapted: how the weights of some of these were adapted, by layer.
        new: newly initialized layers, and why.
        skipped: names of weights that were not used.
    """

    loaded: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The result as readable lines without full stops."""
        found = [
            f"loaded {len(self.loaded)} layers, {self.loaded[0]} to {self.loaded[-1]}"
        ]
        found += [f"adapted {layer}: {how}" for layer, how in self.adapted.items()]
        found += [f"new {layer}: {why}" for layer, why in self.new.items()]
        if self.skipped:
            found.append(f"skipped {', '.join(map(shown, self.skipped))}")
        return found


def transfer(
    model: keras.Model, weights: Mapping[str, Any], *, head: bool = True
) -> Transferred:
    """Load weights of a network that was trained on other classes.

    The head stays new if the number of classes differs. The first layer's kernel is
    summed over its channels if the images are grey and the weights for color, and
    divided among three channels in the opposite case. The stem and VGG's dense layers
    stay new if the weights are for another --stem or --head.

    Args:
        model: from `kerasnets.build_model`.
        weights: arrays or tensors by torchvision's names.
        head: whether the head may be loaded; False if the classes differ.

    Raises:
        WeightsError: weights of another layer are missing or have another shape, or
            there are weights of an unknown layer. The model is unchanged then.
    """
    given = named_arrays(weights)
    layers: dict[str, list[tuple[keras.Variable, str]]] = {}
    kinds: dict[str, keras.layers.Layer] = {}
    for variable, key, layer in torchvision_names(model):
        layers.setdefault(layer.name, []).append((variable, key))
        kinds[layer.name] = layer
    found = Transferred()
    values: list[tuple[keras.Variable, np.ndarray]] = []
    for name, variables in layers.items():
        keys = [key for _, key in variables]
        if name == HEAD and not head:
            found.new[name] = "the classes differ"
        elif _FOLLOWS.get(name) in found.new:
            found.new[name] = f"{_FOLLOWS[name]} is new"
        else:
            taken, adapted, why = _fitted(kinds[name], variables, given)
            if why and name not in _MAY_BE_NEW:
                raise WeightsError(f"{model.name} {why}{_advice(model, given)}.")
            if why:
                found.new[name] = why
            else:
                values += taken
                found.loaded.append(name)
                if adapted:
                    found.adapted[name] = adapted
        if name in found.new:
            found.skipped += [key for key in keys if key in given]
        for key in keys:
            given.pop(key, None)
    for key in given:
        if not _may_be_left(model, key):
            raise WeightsError(
                f"{shown(key)!r} is not a parameter of {model.name}"
                f"{_advice(model, given)}."
            )
    found.skipped += list(given)
    for variable, value in values:
        variable.assign(value)
    return found


def _fitted(
    layer: keras.layers.Layer,
    variables: list[tuple[keras.Variable, str]],
    given: Mapping[str, np.ndarray],
) -> tuple[list[tuple[keras.Variable, np.ndarray]], str, str]:
    """A layer's weights with their values, how they were adapted (or ""), and why they
    do not fit (or "")."""
    taken, adapted = [], ""
    for variable, key in variables:
        if key not in given:
            return [], "", f"needs {key!r}, which is missing"
        array = given[key]
        value, wanted = as_keras(array, layer), tuple(variable.shape)
        if layer.name in _FIRST and value.ndim == 4 and value.shape != wanted:
            value, adapted = _with_channels(value, wanted)
        if value.shape != wanted:
            if layer.name == HEAD:
                return [], "", f"{array.shape[0]} classes there, {wanted[-1]} here"
            shape = torch_shape(wanted)
            return [], "", f"needs {key!r} of shape {shape}, not {array.shape}"
        if not np.isfinite(value).all():
            raise WeightsError(f"{key!r} has values that are not finite.")
        taken.append((variable, value))
    return taken, adapted, ""


def _with_channels(
    kernel: np.ndarray, wanted: tuple[int, ...]
) -> tuple[np.ndarray, str]:
    """A kernel [h, w, I, O] adapted to another number of channels, if that is the only
    difference. A grey image and its copy in three channels give the same result."""
    theirs, ours = kernel.shape[2], wanted[2]
    if (kernel.shape[:2], kernel.shape[3]) == (wanted[:2], wanted[3]):
        if (theirs, ours) == (3, 1):
            return kernel.sum(2, keepdims=True), "kernel summed over three channels"
        if (theirs, ours) == (1, 3):
            return np.repeat(kernel / 3, 3, 2), "kernel divided among three channels"
    return kernel, ""


def _may_be_left(model: keras.Model, key: str) -> bool:
    """Whether unused weights may belong to the dense layers of VGG's other head."""
    return NETWORKS[model.name].family == "vgg" and key.startswith("classifier.")


def _advice(model: keras.Model, given: Mapping[str, np.ndarray]) -> str:
    """A hint if the weights are for VGG with or without batch norm."""
    if NETWORKS[model.name].family != "vgg":
        return ""
    has_norms = any(key.endswith(".running_mean") for key in given)
    norms = any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
    if has_norms == norms:
        return ""
    return f"; these weights are for {option('batch_norm', has_norms)}"
