"""The source of a recipe's pretrained weights, and the defaults it determines."""

import os
from pathlib import Path
from typing import Any

from kerasnets.errors import RecipeError, RunError, shown
from kerasnets.recipe.fields import OF_WEIGHTS, SETTINGS
from kerasnets.storage.files import read_json
from kerasnets.storage.folders import expanded
from kerasnets.storage.run_folders import RECIPE_FILE, named

IMAGENET = "imagenet"
FOLLOWING = ("batch_norm", "stem", "head", "growth_rate")


def as_source(weights: Path | str) -> str:
    """Weights in the form that recipes store: "imagenet", or the absolute path of a
    file or a run. A run in artifacts/runs may be given by its name. Whether the path
    exists is checked when it is read, as a resumed run no longer needs it."""
    if weights == IMAGENET:
        return IMAGENET
    return os.path.abspath(named(expanded(weights, "weights")))  # noqa: PTH100


def of_weights(weights: str, network: str) -> dict[str, Any]:
    """Defaults of fields that depend on the weights.

    Args:
        weights: a result of `as_source`.

    Raises:
        RecipeError: the weights belong to a run of another network, or of a damaged
            recipe.json.
    """
    found: dict[str, Any] = {"normalize": OF_WEIGHTS}
    file = Path(weights) / RECIPE_FILE
    if weights == IMAGENET or not file.is_file():
        return found
    try:
        values = read_json(file)
        for name in FOLLOWING:
            SETTINGS[name].check(values[name])
            found[name] = values[name]
        theirs = values["network"]
    except RunError as error:
        raise RecipeError(shown(error)) from error
    except (ValueError, KeyError, TypeError, RecipeError) as error:
        raise RecipeError(f"{shown(file)} is damaged: {shown(error)}.") from error
    if theirs != network:
        raise RecipeError(
            f"the weights of {shown(weights)} are for {shown(theirs)}, not for "
            f"{network}."
        )
    return found
