"""Conversion of weights between torchvision's networks and ours.

torchvision is not needed: its `state_dict` is a mapping of names to arrays.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import WeightsError
from kerasnets.networks.weights_file import as_array

# Keras weight name -> torch parameter name, by the kind of layer.
_CONV = {"kernel": "weight", "bias": "bias"}
_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_VGG_MAP = 7 * 7  # pixels

# Our layer names -> torchvision's modules; VGG's are numbered, see `_vgg_modules`.
_MODULES = {
    "resnet": [
        (r"stem_conv", r"conv1"),
        (r"stem_conv_norm", r"bn1"),
        (r"stage(\d+)_block(\d+)_conv(\d)", r"layer\1.{\2}.conv\3"),
        (r"stage(\d+)_block(\d+)_conv(\d)_norm", r"layer\1.{\2}.bn\3"),
        (r"stage(\d+)_block(\d+)_shortcut", r"layer\1.{\2}.downsample.0"),
        (r"stage(\d+)_block(\d+)_shortcut_norm", r"layer\1.{\2}.downsample.1"),
        (r"classifier", r"fc"),
    ],
    "densenet": [
        (r"stem_conv", r"features.conv0"),
        (r"stem_conv_norm", r"features.norm0"),
        (
            r"stage(\d+)_layer(\d+)_conv(\d)",
            r"features.denseblock\1.denselayer\2.conv\3",
        ),
        (
            r"stage(\d+)_layer(\d+)_conv(\d)_norm",
            r"features.denseblock\1.denselayer\2.norm\3",
        ),
        (r"transition(\d)_conv", r"features.transition\1.conv"),
        (r"transition(\d)_conv_norm", r"features.transition\1.norm"),
        (r"final_norm", r"features.norm5"),
        (r"classifier", r"classifier"),
    ],
}


def load_torchvision_weights(model: keras.Model, state_dict: Mapping[str, Any]) -> None:
    """Load the weights of torchvision's network of the same name into `model`.

    In inference it then computes torchvision's logits, for any input size.

    Args:
        model: from `kerasnets.build_model`, with head and stem "imagenet", and with
            batch norm if the weights have it.
        state_dict: arrays or tensors by torchvision's names (older DenseNet names too).

    Raises:
        WeightsError: names or shapes do not fit; the message names the first. The model
            is unchanged then.
    """
    given = named_arrays(state_dict)
    values = []
    for variable, key, layer in torchvision_names(model):
        if key not in given:
            raise WeightsError(f"{model.name} needs {key!r}, which is missing.")
        array = given.pop(key)
        value = as_keras(array, layer)
        if value.shape != tuple(variable.shape):
            raise WeightsError(
                f"{key!r} has shape {array.shape}; {model.name} needs "
                f"{torch_shape(tuple(variable.shape))}."
            )
        values.append((variable, value))
    if given:
        raise WeightsError(f"{next(iter(given))!r} is not a parameter of {model.name}.")
    for variable, value in values:
        variable.assign(value)


def torchvision_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of `model` in torchvision's form: the inverse of
    `load_torchvision_weights`.

    Returns:
        float32 arrays by torchvision's names, in network order, without the counters
        num_batches_tracked, which inference does not use.

    Raises:
        WeightsError: the model is not from `kerasnets.build_model`.
    """
    return {
        key: _as_torch(np.asarray(keras.ops.convert_to_numpy(variable)), layer)
        for variable, key, layer in torchvision_names(model)
    }


def torchvision_names(
    model: keras.Model,
) -> Iterator[tuple[keras.Variable, str, keras.layers.Layer]]:
    """Yield each weight with torchvision's name and its layer, in network order."""
    if model.name not in NETWORKS:
        raise WeightsError(
            f"{model.name!r} is not a network of kerasnets.build_model, whose layers "
            "have known names."
        )
    family = NETWORKS[model.name].family
    vgg_modules = _vgg_modules(model) if family == "vgg" else {}
    for layer in model.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        for name, torch_name in (_NORM if norm else _CONV).items():
            variable = getattr(layer, name, None)
            if isinstance(variable, keras.Variable):
                module = vgg_modules.get(layer.name) or _module(layer.name, family)
                yield variable, f"{module}.{torch_name}", layer


def _module(layer: str, family: str) -> str:
    for ours, theirs in _MODULES[family]:
        match = re.fullmatch(ours, layer)
        if match:
            module = match.expand(theirs)
            # torchvision counts the blocks of a stage from 0.
            return re.sub(r"\{(\d+)\}", lambda m: str(int(m[1]) - 1), module)
    raise WeightsError(f"torchvision has no layer for {layer!r}.")


def _vgg_modules(model: keras.Model) -> dict[str, str]:
    """VGG's modules by layer name: all layers are numbered, activations included."""
    numbered = [layer for layer in model.layers if layer.name.startswith("stage")]
    return {
        **{layer.name: f"features.{index}" for index, layer in enumerate(numbered)},
        "fc1": "classifier.0",
        "fc2": "classifier.3",
        "classifier": "classifier.6",
    }


def named_arrays(state_dict: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A state_dict as arrays, under torchvision's current names and without the
    counters of norms.

    Raises:
        WeightsError: one of them is not an array of numbers.
    """
    return {
        # DenseNet files from before 2018 have "norm.1" instead of "norm1".
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", key): _array(
            key, value
        )
        for key, value in state_dict.items()
        if not key.endswith(".num_batches_tracked")
    }


def _array(key: str, value: Any) -> np.ndarray:
    array = as_array(value) if hasattr(value, "detach") else np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise WeightsError(f"{key!r} is not an array of numbers.")
    return array


def as_keras(array: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """A torch array in Keras's order of axes."""
    if array.ndim == 4:  # [O, I, H, W] -> [H, W, I, O]
        return array.transpose(2, 3, 1, 0)
    if layer.name == "fc1" and array.ndim == 2 and array.shape[1] % _VGG_MAP == 0:
        # VGG flattens its 7x7 maps as (C, H, W) in torch, as (H, W, C) in Keras.
        maps = array.reshape(len(array), -1, _VGG_MAP)
        array = maps.transpose(0, 2, 1).reshape(array.shape)
    return array.T


def _as_torch(array: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """The inverse of `as_keras`."""
    array = array.astype("float32")
    if array.ndim == 4:  # [H, W, I, O] -> [O, I, H, W]
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:
        array = array.T
        if layer.name == "fc1" and array.shape[1] % _VGG_MAP == 0:
            maps = array.reshape(len(array), _VGG_MAP, -1)
            array = maps.transpose(0, 2, 1).reshape(array.shape)
    return np.ascontiguousarray(array)


def torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The torch shape of a weight with the Keras shape `shape`."""
    if len(shape) == 4:
        return (shape[3], shape[2], shape[0], shape[1])
    return shape[::-1]
