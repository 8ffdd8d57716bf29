"""Scales of a study: the paper's whole protocol, or a defined part of it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kerasnets.paper import assumptions
from kerasnets.paper.rows import PAPER
from kerasnets.recipe import Recipe

# Recipe fields that a study may change in every row.
ASSUMPTIONS = tuple(one.field for one in assumptions.ASSUMPTIONS if one.field)


@dataclass(frozen=True)
class Scale:
    """The changes of a scale to the paper's nine recipes.

    Attributes:
        summary: a description for users.
        changes: recipe fields by the paper's dataset ("mnist", "cifar10"). All rows of
            a dataset change in the same way, so that networks remain comparable.
        vgg_head: the head of VGG rows.
    """

    summary: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    vgg_head: str = "imagenet"


_SMOKE = {"dataset": "digits", "limit": 250, "epochs": 2, "batch_size": 10}

SCALES = {
    "paper": Scale("the paper's whole protocol; days on a CPU"),
    "quick": Scale(
        "fewer images and epochs, half an hour to two hours on two CPU cores",
        {
            "mnist": {"limit": 6000, "epochs": 5},
            "cifar10": {"limit": 10000, "epochs": 8},
        },
    ),
    "smoke": Scale(
        "scikit-learn's digits, a few minutes: shows that everything works",
        {"mnist": _SMOKE, "cifar10": _SMOKE},
        vgg_head="compact",
    ),
}


def recipe_at(scale: str, row: str, seed: int = 0, **assumptions: Any) -> Recipe:
    """The recipe of one of the paper's rows at a scale.

    Args:
        scale: a name from `SCALES`.
        row: a name from `kerasnets.paper.rows.PAPER`.
        seed: of the recipe.
        assumptions: fields in `ASSUMPTIONS` that differ from the paper's recipe.

    Raises:
        RecipeError: an assumption's value is out of its range.
    """
    paper, chosen = PAPER[row].recipe, SCALES[scale]
    head = chosen.vgg_head if paper.network.startswith("vgg") else paper.head
    changes = {"head": head, **chosen.changes.get(paper.dataset, {}), **assumptions}
    return dataclasses.replace(paper, seed=seed, **changes)
