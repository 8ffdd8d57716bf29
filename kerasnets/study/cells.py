"""The cells of the paper's tables: its number, ours, and what is said of the two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerasnets.datasets.specs import DATASETS
from kerasnets.names import dataset_title, measured_name
from kerasnets.recipes import PAPER, Recipe
from kerasnets.study.outcome import FAILED, FINISHED, NOT_BEGUN, Outcome
from kerasnets.study.plan import Study
from kerasnets.study.verdict import (
    Interval,
    Verdict,
    interval,
    judge,
    scaled_down,
    wilson,
)


@dataclass(frozen=True)
class Cell:
    """One row of the paper's Table 1 or 2, and ours beside it.

    Attributes:
        row: a name of `kerasnets.recipes.PAPER`.
        label: the row's name in the paper.
        table: 1 or 2: the paper's, of MNIST or CIFAR-10.
        recipe: ours, of seed 0.
        paper_accuracy: percent.
        paper_interval: what the paper's number of test images leaves open.
        paper_minutes: training time there, on its GPU, or None.
        outcomes: one a seed.
        accuracy: percent, of the last epoch's network; mean over finished seeds; None
            without one.
        interval: its 95 % interval.
        difference: ours minus the paper's, in points.
        verdict: by the rule of `kerasnets.study.verdict`.
    """

    row: str
    label: str
    table: int
    recipe: Recipe
    paper_accuracy: float
    paper_interval: Interval
    paper_minutes: float | None
    outcomes: tuple[Outcome, ...]
    accuracy: float | None
    interval: Interval | None
    difference: float | None
    verdict: Verdict

    @property
    def name(self) -> str:
        """The row's, with the dataset where that is not the paper's."""
        return measured_name(self.row, self.recipe.dataset)

    @property
    def finished(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.state == FINISHED)

    @property
    def minutes(self) -> float | None:
        """Training time of one run here, validation included; mean over seeds."""
        times = [one.train_s / 60 for one in self.finished]
        return math.fsum(times) / len(times) if times else None

    @property
    def collapsed(self) -> str:
        """The class that a finished run predicts for (almost) all images, or ""."""
        for one in self.finished:
            found = (one.metrics or {}).get("collapsed")
            if found:
                return str(found["class"])
        return ""


def table_title(number: int, cells: Sequence[Cell]) -> str:
    """ "Table 1: MNIST"; "Table 1 on Digits instead of MNIST" where a study's scale has
    replaced the dataset."""
    alike = [cell for cell in cells if cell.table == number]
    (paper,) = {PAPER[cell.row].recipe.dataset for cell in alike}
    (dataset,) = {cell.recipe.dataset for cell in alike}
    if dataset == paper:
        return f"Table {number}: {dataset_title(dataset)}"
    return (
        f"Table {number} on {dataset_title(dataset)} instead of {dataset_title(paper)}"
    )


def elsewhere(cells: Sequence[Cell]) -> str:
    """ " on Digits" where these rows were trained on other data than the paper's, for
    what is said of their results; else ""."""
    others = {
        cell.recipe.dataset
        for cell in cells
        if cell.recipe.dataset != PAPER[cell.row].recipe.dataset
    }
    return f" on {' and '.join(map(dataset_title, sorted(others)))}" if others else ""


def cell(study: Study, row: str, outcomes: Sequence[Outcome]) -> Cell:
    """One row's cell from the outcomes of its seeds."""
    paper = PAPER[row]
    recipe = study.recipe(row)
    facts = DATASETS[paper.recipe.dataset]
    known = wilson(paper.test_accuracy, facts.test)
    done = [one for one in outcomes if one.state == FINISHED]
    accuracies = [one.accuracy for one in done if one.accuracy is not None]
    metrics = (done[0].metrics if done else None) or {}
    mean = math.fsum(accuracies) / len(accuracies) if accuracies else None
    found = interval(accuracies, metrics["images"]) if accuracies else None
    return Cell(
        row=row,
        label=paper.label,
        table=1 if paper.recipe.dataset == "mnist" else 2,
        recipe=recipe,
        paper_accuracy=paper.test_accuracy,
        paper_interval=known,
        paper_minutes=paper.minutes,
        outcomes=tuple(outcomes),
        accuracy=mean,
        interval=found,
        difference=None if mean is None else mean - paper.test_accuracy,
        verdict=judge(
            known,
            found,
            _obstacle(row, recipe, outcomes),
            metrics.get("dataset_note", ""),
        ),
    )


def _obstacle(row: str, recipe: Recipe, outcomes: Sequence[Outcome]) -> str:
    """Why the row's results cannot be compared with the paper's, or ""."""
    if not any(one.state == FINISHED for one in outcomes):
        failures = [one.failure for one in outcomes if one.state == FAILED]
        if failures:
            return f"failed: {failures[0]}"
        return _how_far(recipe, max(outcomes, key=lambda one: one.epochs))
    for one in outcomes:
        if one.stopped:
            return f"stopped early after {one.epochs} of {recipe.epochs} epochs"
    reason = scaled_down(row, recipe)
    if reason:
        return reason
    if any((one.metrics or {}).get("data_changed") for one in outcomes):
        return "the data changed between training and evaluation"
    return ""


def _how_far(recipe: Recipe, farthest: Outcome) -> str:
    """What there is of a row without a result."""
    if farthest.state == NOT_BEGUN:
        return "not run"
    trained = f"not run to its end: {farthest.epochs} of {recipe.epochs} epochs"
    seen = farthest.monitored
    return trained if seen is None else f"{trained}, {seen.split} {seen.last:.2f} %"
