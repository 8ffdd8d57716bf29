"""Networks by name. Keras is imported when the first network is built."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from kerasnets.catalog.networks import (
    INITIAL_WEIGHTS,
    NETWORKS,
    check_options,
    check_size,
)
from kerasnets.errors import RecipeError, unknown

if TYPE_CHECKING:
    import keras

DATA_FORMATS = ("channels_last", "channels_first")


def build_model(
    name: str,
    input_shape: Sequence[int] = (32, 32, 3),
    num_classes: int = 10,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    glorot: bool | str = False,
    head: str = "imagenet",
    stem: str = "imagenet",
    growth_rate: int | None = None,
    data_format: str | None = None,
    seed: int | None = None,
    initial_weights: str = "numpy",
) -> keras.Model:
    """A functional Keras model that maps images to float32 logits [N, num_classes].

    Args:
        name: one of `kerasnets.catalog.networks.NETWORKS`.
        input_shape: (height, width, channels), or (channels, height, width) for
            "channels_first".
        num_classes: at least 2.
        batch_norm: None for the original: VGG without, the others with.
        dropout: rate in [0, 1). None for the original: VGG 0.5 (twice, in the
            classifier), the others 0 (before the last layer).
        glorot: Glorot initialization instead of the network's own: True for uniform,
            "normal" for normal kernels.
        head: VGG only: "imagenet" (7x7 adaptive pool) or "compact" (global pool).
        stem: ResNet and DenseNet only: "imagenet" (7x7/2 and max-pool) or "cifar"
            (3x3).
        growth_rate: DenseNet only. None for the original: 32, or 48 in DenseNet-161.
        data_format: None for `keras.config.image_data_format()`.
        seed: a whole number >= 0 that, with each layer's name, determines initial
            weights and dropout's random state. None draws one from Python's generator,
            which `keras.utils.set_random_seed` seeds.
        initial_weights: "numpy", identical bits under every backend; or "backend",
            drawn by the backend's generator, which `keras.utils.set_random_seed` seeds
            too. `seed` requires "numpy".

    Raises:
        RecipeError: a name is unknown, a value is out of range, an option belongs to
            another family, or the images are too small for the network.
    """
    check_options(name, head, stem, growth_rate)
    spec = NETWORKS[name]
    dropout = spec.dropout if dropout is None else dropout
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise RecipeError(f"dropout must be a number in [0, 1), not {dropout!r}.")
    if glorot not in (False, True, "normal"):
        raise RecipeError(f"glorot must be a bool or 'normal', not {glorot!r}.")
    if not isinstance(num_classes, Integral) or int(num_classes) < 2:
        raise RecipeError(
            f"num_classes must be a whole number >= 2, not {num_classes!r}."
        )

    if initial_weights not in INITIAL_WEIGHTS:
        raise RecipeError(unknown("initial_weights", initial_weights, INITIAL_WEIGHTS))
    if seed is not None and (not isinstance(seed, Integral) or int(seed) < 0):
        raise RecipeError(f"seed must be a whole number >= 0, not {seed!r}.")
    if initial_weights == "backend" and seed is not None:
        raise RecipeError(
            "seed is for initial_weights 'numpy'; for 'backend', use "
            "keras.utils.set_random_seed."
        )

    from keras import config

    from kerasnets.networks.densenet import densenet
    from kerasnets.networks.resnet import resnet
    from kerasnets.networks.vgg import vgg

    data_format = data_format or config.image_data_format()
    if data_format not in DATA_FORMATS:
        raise RecipeError(unknown("data_format", data_format, DATA_FORMATS))
    shape = _checked_shape(name, stem, tuple(input_shape), data_format)
    families: dict[str, tuple[Callable[..., keras.Model], dict[str, Any]]] = {
        "vgg": (vgg, {"head": head}),
        "resnet": (resnet, {"stem": stem}),
        "densenet": (
            densenet,
            {"stem": stem, "growth_rate": growth_rate or spec.growth_rate},
        ),
    }
    build, own = families[spec.family]
    if initial_weights == "numpy" and seed is None:
        seed = random.getrandbits(32)
    return build(
        spec.depth,
        shape,
        int(num_classes),
        batch_norm=spec.batch_norm if batch_norm is None else batch_norm,
        dropout=dropout,
        glorot=glorot,
        data_format=data_format,
        seed=None if seed is None else int(seed),
        **own,
    )


def _checked_shape(
    name: str, stem: str, shape: tuple[Any, ...], data_format: str
) -> tuple[int, int, int]:
    order = (
        "height, width, channels"
        if data_format == "channels_last"
        else "channels, height, width"
    )
    if len(shape) != 3 or not all(
        isinstance(n, Integral) and int(n) >= 1 for n in shape
    ):
        raise RecipeError(
            f"input_shape must be three whole numbers >= 1 ({order}), not {shape}."
        )
    pixels = shape[:2] if data_format == "channels_last" else shape[1:]
    check_size(name, stem, int(pixels[0]), int(pixels[1]))
    return int(shape[0]), int(shape[1]), int(shape[2])
