"""The network of a recipe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerasnets.networks import build_model
from kerasnets.recipe import Recipe

if TYPE_CHECKING:
    import keras


def from_recipe(
    recipe: Recipe, image_shape: Sequence[int], num_classes: int
) -> "keras.Model":
    """Build a recipe's network for the images and classes of a dataset.

    Args:
        image_shape: (height, width, channels).
        num_classes: at least 2.

    Returns:
        A functional model with float32 logits, see `kerasnets.build_model`.
    """
    return build_model(
        recipe.network,
        input_shape=image_shape,
        num_classes=num_classes,
        batch_norm=recipe.batch_norm,
        dropout=recipe.dropout,
        glorot=recipe.glorot,
        head=recipe.head,
        stem=recipe.stem,
        growth_rate=recipe.growth_rate,
        seed=recipe.seed if recipe.initial_weights == "numpy" else None,
        initial_weights=recipe.initial_weights,
    )
