"""Commands that repeat the runs of a report."""

import shlex
from collections.abc import Collection

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.places import is_place
from kerasnets.paper.plan import Study
from kerasnets.recipe import SETTINGS, Recipe
from kerasnets.recipe.fields import OF_EPOCHS
from kerasnets.recipe.weights import FOLLOWING


def fit_command(recipe: Recipe, *, but: Collection[str] = ()) -> str:
    """`kerasnets fit` with the options that differ from the paper's recipe.

    Args:
        but: fields to omit.
    """
    words = ["kerasnets", "fit", recipe.network, "--dataset", recipe.dataset]
    departures = recipe.departures()
    if recipe.dataset not in DATASETS:  # else its files would determine the default
        departures["protocol"] = recipe.paper_protocol
    if is_place(recipe.dataset):
        for name in ("image_size", "validation"):
            departures[name] = getattr(recipe, name)
    if recipe.weights is not None:
        departures["weights_sha256"] = recipe.weights_sha256
        for name in FOLLOWING:  # else the weights would determine the default
            if SETTINGS[name].applies_to(NETWORKS[recipe.network]):
                departures[name] = getattr(recipe, name)
    for name in (*recipe.without_effect, *but):
        departures.pop(name, None)
    for name, value in departures.items():
        words += SETTINGS[name].arguments(value)
    return shlex.join(words)


def reproduce_command(study: Study, *rows: str) -> str:
    """`kerasnets reproduce` for rows of a study, or all of them."""
    words = ["kerasnets", "reproduce", "--scale", study.scale]
    if study.seeds > 1:
        words += ["--seeds", str(study.seeds)]
    for name, value in study.assumptions.items():
        words += SETTINGS[name].arguments(value)
    return shlex.join([*words, *rows])


def diagnose_command(recipe: Recipe) -> str:
    """`kerasnets diagnose` of a recipe, with one switch changed at a time."""
    fit = fit_command(recipe, but=OF_EPOCHS)
    return f"{fit.replace('fit', 'diagnose', 1)} --ablate"
