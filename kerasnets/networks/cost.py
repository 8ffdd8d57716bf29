"""The cost of a network: its parameters, and the arithmetic for one image.

The multiply-accumulates (MACs) of convolutions and dense layers are counted, as in the
figures that torchvision publishes (as FLOPS). One multiply-accumulate is two
floating-point operations (FLOPs). Batch norm, activations, pools and additions are
excluded.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.compute.nothing_drawn import nothing_drawn
from kerasnets.errors import RunError
from kerasnets.networks import build_model
from kerasnets.recipe import Recipe

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Cost:
    """The cost of a network.

    Attributes:
        parameters: number of trainable parameters.
        macs: multiply-accumulates to classify one image.
    """

    parameters: int
    macs: int

    @property
    def flops(self) -> int:
        """Floating-point operations to classify one image: two per MAC."""
        return 2 * self.macs


def network_cost(recipe: Recipe, num_classes: int, parameters: int | None) -> Cost:
    """The cost of a recipe's network, which is built for this.

    Args:
        num_classes: at least 2.
        parameters: recorded number of trainable parameters, or None. It distinguishes
            grey from color images if the recipe does not set `channels`.

    Raises:
        RunError: the network's number of parameters is not the recorded one.
    """
    for channels in (recipe.channels,) if recipe.channels else (1, 3):
        # Only the fields that affect the cost, so that recipes share cache entries.
        cost = _cost(
            recipe.network,
            (recipe.image_size, recipe.image_size, channels),
            num_classes,
            recipe.batch_norm,
            recipe.head,
            recipe.stem,
            recipe.growth_rate,
        )
        if parameters in (None, cost.parameters):
            return cost
    raise RunError(
        f"{recipe.network} with this recipe has {cost.parameters:,} trainable "
        f"parameters, but {parameters:,} are recorded."
    )


@lru_cache(maxsize=64)
@frees_models
def _cost(
    network: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_norm: bool,
    head: str,
    stem: str,
    growth_rate: int | None,
) -> Cost:
    with nothing_drawn():
        model = build_model(
            network,
            input_shape,
            num_classes,
            batch_norm=batch_norm,
            head=head,
            stem=stem,
            growth_rate=growth_rate,
            data_format="channels_last",
            initial_weights="backend",
        )
    return model_cost(model)


def model_cost(model: "keras.Model") -> Cost:
    """The cost of a functional model in which every layer is called once.

    Raises:
        ValueError: a layer has weights, but is of an unknown kind.
    """
    return Cost(
        sum(math.prod(weight.shape) for weight in model.trainable_weights),
        sum(_macs(layer) for layer in model.layers),
    )


def _macs(layer: "keras.Layer") -> int:
    """Every weight of the kernel is used once per position of the output."""
    from keras import layers

    if isinstance(layer, layers.Conv2D):
        channels_first = layer.data_format == "channels_first"
        shape = layer.output.shape[2:] if channels_first else layer.output.shape[1:-1]
        return math.prod(shape) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if layer.weights and not isinstance(layer, layers.BatchNormalization):
        # Dropout's weights are the state of its generator.
        if all(weight.dtype.startswith("uint") for weight in layer.weights):
            return 0
        raise ValueError(f"no rule to count the arithmetic of {layer.name}.")
    return 0
