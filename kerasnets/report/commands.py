"""Command lines that repeat what a report shows."""

import shlex

from kerasnets.catalog.datasets import DATASETS
from kerasnets.paper.plan import Study
from kerasnets.recipe import Recipe

_SWITCHES = {"batch_norm": "bn", "glorot": "glorot"}
_SHORTER = {"learning_rate": "lr"}


def fit_command(recipe: Recipe) -> str:
    """`kerasnets fit` with the options that differ from the paper's recipe."""
    words = ["kerasnets", "fit", recipe.network, "--dataset", recipe.dataset]
    departures = recipe.departures()
    if recipe.dataset not in DATASETS:  # its files decide, on whatever machine
        departures["protocol"] = recipe.paper_protocol
    for name in recipe.without_effect:
        departures.pop(name, None)
    for name, value in departures.items():
        if value == "normal":
            words.append("--glorot-normal")
        elif name in _SWITCHES:
            words.append(f"--{'' if value else 'no-'}{_SWITCHES[name]}")
        elif value is not None:  # None leaves it to the dataset, as no option does
            option = _SHORTER.get(name, name.replace("_", "-"))
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def reproduce_command(study: Study, *rows: str) -> str:
    """`kerasnets reproduce` for rows of a study, or all of them."""
    words = ["kerasnets", "reproduce", "--scale", study.scale]
    if study.seeds > 1:
        words += ["--seeds", str(study.seeds)]
    for name, value in study.assumptions.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join([*words, *rows])


def diagnose_command(recipe: Recipe) -> str:
    """`kerasnets diagnose` of a recipe, one thing switched at a time."""
    words = shlex.split(fit_command(recipe))
    return shlex.join([words[0], "diagnose", *words[2:], "--ablate"])
