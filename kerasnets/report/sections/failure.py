"""Why a run failed; for collapsed runs, the findings of `kerasnets diagnose`."""

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

FOLDER = "diagnoses"  # in the folder that is reported on

# Fields that match a diagnosis to a run; it varies batch norm and initialization
# itself.
_OF_A_RUN = ("network", "dataset", "head", "stem", "growth_rate")


@dataclass(frozen=True)
class FoundDiagnosis:
    """Contents of a folder of `kerasnets diagnose`.

    Attributes:
        recipe: the diagnosed recipe.
        steps: optimizer steps of each trial.
        verdict: a paragraph.
        planned: number of planned trials.
        trials: the finished ones.
        figure: signal and gradient by depth; it may be missing.
    """

    recipe: Recipe
    steps: int
    verdict: str
    planned: int
    trials: tuple[Trial, ...]
    figure: Path

    @property
    def switches(self) -> Table | None:
        """Batch norm × initialization, if every combination was tried."""
        return switches_table(self.trials)

    @property
    def every_trial(self) -> Table:
        return trials_table(self.trials)


def read_diagnoses(folder: Path) -> tuple[FoundDiagnosis, ...]:
    """Every diagnosis in `FOLDER` of a study's folder.

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
    """Collapsed runs from random weights without a diagnosis, one of each network."""
    known = [one.recipe for one in found]
    chosen: list[Record] = []
    for record in sources.records:
        recipe = record.run.recipe
        if recipe.weights is not None:
            continue  # diagnoses compare ways of drawing weights
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
    """A sentence that says that these runs collapsed."""
    return f"{', '.join(record.label for record in records)} collapsed"


def _alike(first: Recipe, second: Recipe) -> bool:
    return all(getattr(first, name) == getattr(second, name) for name in _OF_A_RUN)


def failure(sources: Sources) -> dict[str, Any] | None:
    """Collapsed runs and the diagnoses in the folder, where there is either."""
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
