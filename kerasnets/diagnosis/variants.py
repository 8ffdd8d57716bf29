"""The variants of a network in a diagnosis."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from operator import attrgetter

from kerasnets.catalog.networks import NETWORKS
from kerasnets.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """A setting of the two switches that the paper changed in VGG-19."""

    batch_norm: bool
    glorot: bool

    @property
    def label(self) -> str:
        """One of "neither", "batch norm", "Glorot" and "batch norm + Glorot"."""
        parts = ["batch norm"] * self.batch_norm + ["Glorot"] * self.glorot
        return " + ".join(parts) or "neither"

    @classmethod
    def of(cls, recipe: Recipe) -> "Variant":
        return cls(recipe.batch_norm, bool(recipe.glorot))

    @classmethod
    def original(cls, network: str) -> "Variant":
        """The variant of the network's authors."""
        return cls(NETWORKS[network].batch_norm, False)


VARIANTS = tuple(Variant(*switches) for switches in product((False, True), repeat=2))
MODIFIED = Variant(batch_norm=True, glorot=True)

# What a recipe or a trial has besides its variant.
settings = attrgetter("learning_rate", "momentum")


def named_variants(recipe: Recipe) -> dict[Variant, str]:
    """The variants that every diagnosis compares, with names for a figure: the
    original, the modified, and the recipe's own if it is neither."""
    original, own = Variant.original(recipe.network), Variant.of(recipe)
    names = {
        original: f"original ({original.label})",
        MODIFIED: f"modified ({MODIFIED.label})",
    }
    return {**names, own: names.get(own, own.label)}


def to_try(
    recipe: Recipe, *, ablate: bool = False, learning_rates: Iterable[float] = ()
) -> list[Recipe]:
    """The recipes that a diagnosis of `recipe` trains.

    The original, the modified and the recipe's own variant come first. `ablate` adds
    all four variants at the recipe's momentum and at another one (0, or 0.9 if it is 0;
    none for optimizers without momentum), and all of these at `learning_rates`.

    Raises:
        RecipeError: a learning rate is out of range.
    """
    variants = list(named_variants(recipe))
    rates, momenta = [recipe.learning_rate], [recipe.momentum]
    if ablate:
        variants += VARIANTS
        rates += learning_rates
        if "momentum" not in recipe.without_effect:
            momenta.append(0.0 if recipe.momentum else 0.9)
    return [
        dataclasses.replace(
            recipe,
            batch_norm=variant.batch_norm,
            glorot=variant.glorot and (recipe.glorot or True),
            learning_rate=rate,
            momentum=momentum,
            nesterov=recipe.nesterov and momentum > 0,
        )
        for rate in dict.fromkeys(rates)
        for momentum in momenta
        for variant in dict.fromkeys(variants)
    ]
