"""Where the first weights of a recipe come from, and what follows from that."""

import os
from pathlib import Path
from typing import Any

from kerasnets.catalog.places import RUNS
from kerasnets.errors import RecipeError, shown
from kerasnets.recipe.fields import OF_WEIGHTS, SETTINGS
from kerasnets.storage import schema
from kerasnets.storage.folders import expanded

IMAGENET = "imagenet"
FOLLOWING = ("batch_norm", "stem", "head", "growth_rate")


def as_source(weights: Path | str) -> str:
    """Weights as recipes have them: "imagenet", or the absolute path of a file or of a
    run, which may be named as in artifacts/runs. Whether it is there is seen when it is
    read, as a run that is resumed needs it no more."""
    if weights == IMAGENET:
        return IMAGENET
    path = expanded(weights, "weights")
    if not path.exists() and (RUNS / path).is_dir():
        path = RUNS / path
    return os.path.abspath(path)  # noqa: PTH100


def of_weights(weights: str, network: str) -> dict[str, Any]:
    """The values that fields have with weights, unless they are named.

    Args:
        weights: as `as_source` gives them.

    Raises:
        RecipeError: they are those of a run of another network.
    """
    found: dict[str, Any] = {"normalize": OF_WEIGHTS}
    file = Path(weights) / "recipe.json"
    if weights == IMAGENET or not file.is_file():
        return found
    try:
        values = schema.parse(file.read_text(encoding="utf-8"))
        for name in FOLLOWING:
            SETTINGS[name].check(values[name])
            found[name] = values[name]
        theirs = values["network"]
    except (OSError, ValueError, KeyError, TypeError, RecipeError) as error:
        raise RecipeError(f"{shown(file)} is damaged: {shown(error)}.") from error
    if theirs != network:
        raise RecipeError(
            f"the weights of {shown(weights)} are for {shown(theirs)}, not for "
            f"{network}."
        )
    return found
