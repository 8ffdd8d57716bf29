"""Collapsed runs, with the findings of `kerasnets diagnose`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.catalog.titles import network_title
from kerasnets.diagnosis.summary import switches_table, trials_table
from kerasnets.diagnosis.trial import Trial
from kerasnets.diagnosis.variants import Variant
from kerasnets.errors import RecipeError, RunError
from kerasnets.recipe import Recipe
from kerasnets.report.sources import Record, Sources
from kerasnets.text import Table

FOLDER = "diagnoses"  # in the report's folder

# Fields that match a diagnosis to a run. Batch norm and initialization are not among
# them, as diagnoses vary these.
_OF_A_RUN = ("network", "dataset", "head", "stem", "growth_rate")


@dataclass(frozen=True)
class FoundDiagnosis:
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

    @property
    def switches(self) -> Table | None:
        """Table of batch norm × initialization; None unless all combinations were
        tried."""
        return switches_table(self.trials)

    @property
    def every_trial(self) -> Table:
        return trials_table(self.trials)


def read_diagnoses(folder: Path) -> tuple[FoundDiagnosis, ...]:
    """Read every diagnosis in the subfolder `FOLDER`.

    Raises:
        RunError: one of them is damaged.
    """
    files = sorted((folder / FOLDER).glob("*/diagnosis.json"))
    return tuple(_read(file) for file in files)


def _read(file: Path) -> FoundDiagnosis:
    values = runs.read_json(file)
    try:
        return FoundDiagnosis(
            Recipe.from_record(values["recipe"]),
            int(values["steps"]),
            str(values["verdict"]),
            int(values["planned"]),
            tuple(map(_trial, values["ablation"])),
            file.with_name("signal.png"),
        )
    except (KeyError, TypeError, ValueError, RecipeError) as error:
        raise RunError(f"{file} is not a diagnosis.") from error


def _trial(values: dict[str, Any]) -> Trial:
    both = (False, True)
    variants = [Variant(batch_norm, glorot) for batch_norm in both for glorot in both]
    by_label = {variant.label: variant for variant in variants}
    return Trial(**{**values, "variant": by_label[values["variant"]]})


def undiagnosed(
    sources: Sources, found: Sequence[FoundDiagnosis]
) -> tuple[Record, ...]:
    """Collapsed, randomly initialized runs without a diagnosis, one per network."""
    known = [one.recipe for one in found]
    chosen: list[Record] = []
    for record in sources.records:
        recipe = record.run.recipe
        if recipe.weights is not None:
            continue  # diagnoses compare random initializations
        if record.collapsed and not any(_alike(recipe, other) for other in known):
            chosen.append(record)
            known.append(recipe)
    return tuple(chosen)


def to_diagnose(sources: Sources) -> tuple[Record, ...]:
    """One run of each collapsed network that lacks a complete diagnosis in the
    folder."""
    found = read_diagnoses(sources.folder)
    whole = [one for one in found if len(one.trials) == one.planned]
    return undiagnosed(sources, whole)


def named_collapsed(records: Sequence[Record]) -> str:
    """The clause "<labels> collapsed"."""
    return f"{', '.join(record.label for record in records)} collapsed"


def _alike(first: Recipe, second: Recipe) -> bool:
    return all(getattr(first, name) == getattr(second, name) for name in _OF_A_RUN)


def failure(sources: Sources) -> dict[str, Any] | None:
    """Collapsed runs and diagnoses in the folder; None if there are neither."""
    collapsed = [record for record in sources.records if record.collapsed]
    found = read_diagnoses(sources.folder)
    if not collapsed and not found:
        return None
    recipes = [record.run.recipe for record in collapsed]
    recipes = recipes or [one.recipe for one in found]
    return {
        "networks": sorted({network_title(recipe.network) for recipe in recipes}),
        "collapsed": collapsed,
        "diagnoses": found,
        "undiagnosed": undiagnosed(sources, found),
        "folder": FOLDER,
    }
