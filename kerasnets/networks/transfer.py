"""Weights of one task as the start of another: which layers take them, and which are
made anew."""

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
_FOLLOWS = {"stem_conv_norm": "stem_conv", "fc2": "fc1"}  # new where that is


@dataclass
class Transferred:
    """What became of weights.

    Attributes:
        loaded: layers of the network that have them, in network order.
        adapted: of these, what was done to fit them, by layer.
        new: layers that are drawn as in an untrained network, and why.
        skipped: names of weights that no layer has taken.
    """

    loaded: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a person, without full stops."""
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
    """Give a network the weights of one that was trained on other classes.

    The head stays new where the number of classes differs. The kernel of the first
    layer is summed over three channels for one, and divided among three for one that
    has one. A stem or VGG's dense layers stay new where the weights are for others.

    Args:
        model: made by `kerasnets.build_model`.
        weights: torchvision's names to arrays or tensors.
        head: whether the head may be taken over; not where classes have other names.

    Raises:
        WeightsError: any other layer lacks weights, has others of another shape, or
            there are weights of a layer that the network has not. Nothing has been
            changed then.
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
            found.new[name] = "the classes are others"
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
    """A layer's weights with their values, what was done to fit them, and why they do
    not fit; the last two "" where that is nothing."""
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
    """A kernel [h, w, I, O] for images of another number of channels, where that is all
    that differs; what a grey image gives in three equal channels stays the same."""
    theirs, ours = kernel.shape[2], wanted[2]
    if (kernel.shape[:2], kernel.shape[3]) == (wanted[:2], wanted[3]):
        if (theirs, ours) == (3, 1):
            return kernel.sum(2, keepdims=True), "kernel summed over three channels"
        if (theirs, ours) == (1, 3):
            return np.repeat(kernel / 3, 3, 2), "kernel divided among three channels"
    return kernel, ""


def _may_be_left(model: keras.Model, key: str) -> bool:
    """Whether weights may belong to the dense layers of VGG's other head."""
    return NETWORKS[model.name].family == "vgg" and key.startswith("classifier.")


def _advice(model: keras.Model, given: Mapping[str, np.ndarray]) -> str:
    """What may be wrong with weights of another form of the same network."""
    if NETWORKS[model.name].family != "vgg":
        return ""
    has_norms = any(key.endswith(".running_mean") for key in given)
    norms = any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
    if has_norms == norms:
        return ""
    flag = option("batch_norm", True) if has_norms else "--no-bn"
    return f"; these weights are for {flag}"
