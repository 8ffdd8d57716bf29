"""Why a run failed: for one that collapsed, what `kerasnets diagnose` found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets import runs
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.diagnosis.summary import switches_table, trials_table
from kerasnets.diagnosis.trial import Trial
from kerasnets.diagnosis.variants import Variant
from kerasnets.errors import RecipeError, RunError
from kerasnets.recipe import Recipe
from kerasnets.report.commands import diagnose_command
from kerasnets.report.html import (
    Html,
    element,
    folded,
    joined,
    paragraph,
    picture,
    section,
    table,
)
from kerasnets.report.sources import Record, Sources

FOLDER = "diagnoses"  # in the folder that is reported on

# By these a diagnosis is one of a run: batch norm and initialization are what it tries.
_OF_A_RUN = ("network", "dataset", "head", "stem", "growth_rate")


@dataclass(frozen=True)
class FoundDiagnosis:
    """What a folder of `kerasnets diagnose` holds.

    Attributes:
        recipe: what was asked about.
        steps: optimizer steps of each trial.
        verdict: a paragraph.
        planned: how many trials there were to be.
        trials: those that are finished.
        figure: signal and gradient by depth; it may be missing.
    """

    recipe: Recipe
    steps: int
    verdict: str
    planned: int
    trials: tuple[Trial, ...]
    figure: Path

    @property
    def is_whole(self) -> bool:
        return len(self.trials) == self.planned

    def is_of(self, recipe: Recipe) -> bool:
        """Whether it tells of runs of that recipe."""
        return all(
            getattr(self.recipe, name) == getattr(recipe, name) for name in _OF_A_RUN
        )


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
    variants = {
        variant.label: variant
        for batch_norm in (False, True)
        for glorot in (False, True)
        for variant in (Variant(batch_norm, glorot),)
    }
    return Trial(**{**values, "variant": variants[values["variant"]]})


def undiagnosed(
    sources: Sources, found: Sequence[FoundDiagnosis]
) -> tuple[Record, ...]:
    """Collapsed runs without a diagnosis, one of each network."""
    chosen: list[Record] = []
    for record in sources.records:
        recipe = record.run.recipe
        if (
            record.collapsed
            and not any(one.is_of(recipe) for one in found)
            and not any(_alike(recipe, other.run.recipe) for other in chosen)
        ):
            chosen.append(record)
    return tuple(chosen)


def to_diagnose(sources: Sources) -> tuple[Record, ...]:
    """One run of each collapsed network that has no whole diagnosis in the folder."""
    whole = [one for one in read_diagnoses(sources.folder) if one.is_whole]
    return undiagnosed(sources, whole)


def named_collapsed(records: Sequence[Record]) -> str:
    """That these runs collapsed, for a person."""
    return f"{', '.join(record.label for record in records)} collapsed"


def _alike(first: Recipe, second: Recipe) -> bool:
    return all(getattr(first, name) == getattr(second, name) for name in _OF_A_RUN)


def failure_section(sources: Sources, found: Sequence[FoundDiagnosis]) -> Html:
    """Collapsed runs and their diagnoses; empty where there is neither."""
    collapsed = [record for record in sources.records if record.collapsed]
    if not collapsed and not found:
        return Html()
    networks = {
        network_title(recipe.network)
        for recipe in (
            [record.run.recipe for record in collapsed] or [one.recipe for one in found]
        )
    }
    title = f"Why did {' and '.join(sorted(networks))} fail?"
    if not collapsed:
        title = f"How {' and '.join(sorted(networks))} begins to learn"
    parts = [paragraph(_collapse(record)) for record in collapsed]
    parts += [_diagnosis(one) for one in found]
    for record in undiagnosed(sources, found):
        command = diagnose_command(record.run.recipe)
        parts.append(
            element(
                "p",
                f"{record.label} has not been diagnosed. ",
                element("code", command),
                f" with --out and a folder in {FOLDER}/ here measures why, as does the "
                "report itself with --diagnose.",
            )
        )
    return section("failure", title, *parts)


def _collapse(record: Record) -> str:
    assert record.evaluated
    metrics = record.evaluated.metrics
    return (
        f"{record.label} calls {metrics['collapsed']['share']:.1%} of the "
        f"{metrics['images']:,} test images {record.collapsed!r}. Its test accuracy, "
        f"{metrics['accuracy']:.2%}, is next to the share of that class: it tells "
        "nothing apart."
    )


def _diagnosis(found: FoundDiagnosis) -> Html:
    recipe = found.recipe
    title = (
        f"{network_title(recipe.network)} on {dataset_title(recipe.dataset)}: its "
        f"first {found.steps} steps"
    )
    switches = switches_table(found.trials)
    trials = trials_table(found.trials)
    figure = (
        picture(found.figure, "Signal and gradient by depth")
        if found.figure.exists()
        else Html()
    )
    return joined(
        [
            element("h3", title),
            paragraph(found.verdict),
            paragraph(f"{len(found.trials)} of {found.planned} trials are finished."),
            table(switches, "Batch norm by initialization") if switches else Html(),
            folded(
                "Every trial",
                table(trials, "Trials, one thing switched at a time"),
            ),
            figure,
        ]
    )
