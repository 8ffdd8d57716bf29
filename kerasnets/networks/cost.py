"""What a network costs: its parameters, and the arithmetic of one image.

Counted are the multiply-accumulates (MACs) of convolutions and dense layers, the rule
by which torchvision publishes its networks' figures (which it calls FLOPS). One
multiply-accumulate is two floating-point operations (FLOPs). Batch norm, activations,
pools and additions are left out.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kerasnets.compute.freed_models import frees_models
from kerasnets.errors import RunError
from kerasnets.networks import build_model
from kerasnets.recipe import Recipe

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Cost:
    """The size of a network.

    Attributes:
        parameters: trainable ones.
        macs: multiply-accumulates of classifying one image.
    """

    parameters: int
    macs: int

    @property
    def flops(self) -> int:
        """Floating-point operations of classifying one image: two a MAC."""
        return 2 * self.macs


def network_cost(recipe: Recipe, num_classes: int, parameters: int | None) -> Cost:
    """The cost of a recipe's network, which is built to be counted.

    Args:
        num_classes: at least 2.
        parameters: as recorded in training. It tells grey images from colored ones
            where the recipe leaves the channels to the dataset.

    Raises:
        RunError: the network has another number of parameters than was recorded.
    """
    for channels in (recipe.channels,) if recipe.channels else (1, 3):
        # Only what the arithmetic depends on, so that runs share what was built.
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
        f"{recipe.network} as its recipe says has {cost.parameters:,} trainable "
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
    model = build_model(
        network,
        input_shape,
        num_classes,
        batch_norm=batch_norm,
        head=head,
        stem=stem,
        growth_rate=growth_rate,
        data_format="channels_last",
    )
    return model_cost(model)


def model_cost(model: "keras.Model") -> Cost:
    """The cost of a functional model in which every layer is called once.

    Raises:
        ValueError: a layer has weights, but no rule here to count it by.
    """
    return Cost(
        sum(math.prod(weight.shape) for weight in model.trainable_weights),
        sum(_macs(layer) for layer in model.layers),
    )


def _macs(layer: "keras.Layer") -> int:
    """Every weight of the kernel is used once for each position of the output."""
    from keras import layers

    if isinstance(layer, layers.Conv2D):
        channels_first = layer.data_format == "channels_first"
        shape = layer.output.shape[2:] if channels_first else layer.output.shape[1:-1]
        return math.prod(shape) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if layer.weights and not isinstance(layer, layers.BatchNormalization):
        # Dropout's weights are the state of its random numbers.
        if all(weight.dtype.startswith("uint") for weight in layer.weights):
            return 0
        raise ValueError(f"no rule to count the arithmetic of {layer.name}.")
    return 0
