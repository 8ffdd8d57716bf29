"""Recipes in files: TOML, or the recipe.json of a run."""

from pathlib import Path
from typing import Any

from kerasnets.catalog.places import as_place
from kerasnets.errors import RecipeError, shown
from kerasnets.recipe import Recipe, checks
from kerasnets.storage.files import check_digest
from kerasnets.storage.run_folders import RECIPE_FILE

_UNNAMED = ("preset", "protocol")  # only determine defaults, and a recipe.json has none


def from_file(
    path: Path | str,
    *,
    network: str | None = None,
    dataset: str | None = None,
    data_dir: Path | str | None = None,
    **named: Any,
) -> Recipe:
    """Read a recipe from a file, with the named fields replaced.

    Fields that a TOML file does not name get the defaults of `Recipe.for_paper`; a
    recipe.json names all fields.

    Args:
        path: a .toml file, a recipe.json, or the folder of a run that has one.
        network, dataset: replace the file's.
        data_dir: see `Recipe.for_paper`.
        named: fields by name.

    Raises:
        RecipeError: the file cannot be read, names no network or dataset, or a value is
            not allowed or has no effect.
        RunError: it is the recipe.json of a run, and does not match its digest.
    """
    path = Path(path)
    if path.is_dir():
        path = path / RECIPE_FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RecipeError(f"the recipe {shown(path)} cannot be read: {why}.") from error
    if path.is_file():  # not a pipe, which can be read once
        check_digest(path)
    own = {"network": network, "dataset": dataset and as_place(dataset, data_dir)}
    own = {name: value for name, value in own.items() if value is not None}
    try:
        if path.suffix.lower() == ".toml":
            return _of_toml(text, own | named, data_dir)
        return _of_record(text, own | named)
    except RecipeError as error:
        raise RecipeError(f"{shown(path)}: {error}") from error


def _of_toml(text: str, named: dict[str, Any], data_dir: Path | str | None) -> Recipe:
    import tomllib

    try:
        fields = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"it is not valid TOML: {shown(str(error))}.") from error
    fields |= named
    checks.check_names(fields)  # before they are arguments
    for name in ("network", "dataset"):
        if name not in fields:
            raise RecipeError(f"it names no {name}.")
    return Recipe.for_paper(data_dir=data_dir, **fields)


def _of_record(text: str, named: dict[str, Any]) -> Recipe:
    recipe = Recipe.from_json(text)
    for name in _UNNAMED:
        if name in named:
            raise RecipeError(
                f"{name} only fills fields that are not named; this names all."
            )
    return recipe.with_named(**named)
