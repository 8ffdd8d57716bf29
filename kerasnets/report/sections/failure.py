"""Collapsed runs, with the findings of `kerasnets diagnose`."""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from kerasnets import runs
from kerasnets.catalog.titles import network_title
from kerasnets.diagnosis.trial import Trial
from kerasnets.diagnosis.variants import VARIANTS
from kerasnets.errors import RecipeError, RunError
from kerasnets.recipe import Recipe
from kerasnets.report.sources import Record, Sources

FOLDER = "diagnoses"  # in the report's folder

# What matches a diagnosis to a run. Batch norm and initialization are not among these
# fields, as diagnoses vary them.
_diagnosed = attrgetter("network", "dataset", "head", "stem", "growth_rate")


class FoundDiagnosis(NamedTuple):
    """The content of a folder of `kerasnets diagnose`.

    Attributes:
        recipe: the diagnosed recipe.
        steps: optimizer steps of each trial.
        verdict: a paragraph.
        planned: number of planned trials.
        trials: the finished trials.
        figure: file of the plot of signal and gradient by depth; it may be missing.
    """

    recipe: Recipe
    steps: int
    verdict: str
    planned: int
    trials: tuple[Trial, ...]
    figure: Path


def read_diagnoses(folder: Path) -> tuple[FoundDiagnosis, ...]:
    """Read every diagnosis in the subfolder `FOLDER`.

    Raises:
        RunError: one of them is damaged.
    """
    files = sorted((folder / FOLDER).glob("*/diagnosis.json"))
    return tuple(_read(file) for file in files)


def _read(file: Path) -> FoundDiagnosis:
    values = runs.read_json(file)
    variants = {variant.label: variant for variant in VARIANTS}
    try:
        return FoundDiagnosis(
            Recipe.from_record(values["recipe"]),
            int(values["steps"]),
            str(values["verdict"]),
            int(values["planned"]),
            tuple(
                Trial(**{**trial, "variant": variants[trial["variant"]]})
                for trial in values["ablation"]
            ),
            file.with_name("signal.png"),
        )
    except (KeyError, TypeError, ValueError, RecipeError) as error:
        raise RunError(f"{file} is not a diagnosis.") from error


def undiagnosed(
    sources: Sources, found: Sequence[FoundDiagnosis]
) -> tuple[Record, ...]:
    """Collapsed, randomly initialized runs without a diagnosis, one per network."""
    chosen: dict[tuple, Record] = {}
    for record in sources.records:
        recipe = record.run.recipe
        # Diagnoses compare random initializations.
        if record.collapsed and recipe.weights is None:
            chosen.setdefault(_diagnosed(recipe), record)
    for one in found:
        chosen.pop(_diagnosed(one.recipe), None)
    return tuple(chosen.values())


def to_diagnose(sources: Sources) -> tuple[Record, ...]:
    """One run of each collapsed network that lacks a complete diagnosis in the
    folder."""
    found = read_diagnoses(sources.folder)
    whole = [one for one in found if len(one.trials) == one.planned]
    return undiagnosed(sources, whole)


def named_collapsed(records: Sequence[Record]) -> str:
    """The clause "<labels> collapsed"."""
    return f"{', '.join(record.label for record in records)} collapsed"


def failure(sources: Sources) -> dict[str, Any] | None:
    """Collapsed runs and diagnoses in the folder; None if there are neither."""
    collapsed = [record for record in sources.records if record.collapsed]
    found = read_diagnoses(sources.folder)
    if not collapsed and not found:
        return None
    recipes = [one.run.recipe for one in collapsed] or [one.recipe for one in found]
    return {
        "networks": sorted({network_title(recipe.network) for recipe in recipes}),
        "collapsed": collapsed,
        "diagnoses": found,
        "undiagnosed": undiagnosed(sources, found),
        "folder": FOLDER,
    }
