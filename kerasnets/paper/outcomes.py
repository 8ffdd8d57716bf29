"""The outcome of one run of a study, read from its folder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kerasnets import runs
from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.paper.rows import PAPER
from kerasnets.paper.verdict import Verdict, judge, scaled_down
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import begun_environment, training_s
from kerasnets.runs.results import BEST_EPOCH_FOLDER, METRICS_FILE, read_metrics
from kerasnets.runs.status import progress
from kerasnets.statistics import Interval, accuracy_interval
from kerasnets.text import spaced_percent

FINISHED, FAILED, BEGUN, NOT_BEGUN = "finished", "failed", "begun", "not begun"

# examples.png is drawn last. The network is not required, as a published study has no
# weights.
_LAST_FILES = (METRICS_FILE, "examples.png")


@dataclass(frozen=True)
class Monitored:
    """Accuracy by epoch on the images monitored during training.

    Attributes:
        split: "validation", or "test" if the recipe monitors the test split.
        best_epoch: the first epoch with the highest accuracy, from 1.
        first, best, last: accuracies (shares) of the first, best and last epoch. On
            "test", `best` is optimistic, as it is selected on the images on which it is
            measured.
    """

    split: str
    best_epoch: int
    first: float
    best: float
    last: float


@dataclass(frozen=True)
class Outcome:
    """One run: its progress and its results.

    Attributes:
        row, seed: of the planned run.
        state: `FINISHED`, `FAILED`, `BEGUN` or `NOT_BEGUN`.
        epochs: completed epochs.
        failure: why it failed, or "".
        metrics: the content of metrics.json, once finished.
        environment: the content of environment.json, once begun.
        monitored: None before the first epoch ends.
        best_epoch_accuracy: test accuracy (share) of the best epoch's network; None if
            that epoch is the last, or its network was not kept.
        train_s: seconds of training and validation in these epochs.
        stopped: why a callback stopped training early, else "".
    """

    row: str
    seed: int
    state: str
    epochs: int = 0
    failure: str = ""
    metrics: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    monitored: Monitored | None = None
    best_epoch_accuracy: float | None = None
    train_s: float = 0.0
    stopped: str = ""

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of the last epoch's network, a share."""
        return None if self.metrics is None else self.metrics["accuracy"]

    @property
    def accuracy_at_best_validation(self) -> float | None:
        """Test accuracy (share) of the epoch that was best on the validation images;
        None if there are none, or its network was not kept."""
        monitored = self.monitored
        if monitored is None or monitored.split == "test":
            return None
        if monitored.best_epoch == self.epochs:
            return self.accuracy
        return self.best_epoch_accuracy

    @property
    def best_on_test(self) -> float | None:
        """The highest test accuracy (share) of any epoch. It is optimistic, as it is
        selected on the images on which it is measured. None unless the test split was
        monitored."""
        monitored = self.monitored
        return monitored.best if monitored and monitored.split == "test" else None


def is_finished(path: Path) -> bool:
    """Whether a run folder has a finished training with test results and figures.

    Raises:
        RunError: a file of the run is damaged.
    """
    drawn = all((path / name).is_file() for name in _LAST_FILES)
    return drawn and progress(runs.load(path)).finished


class Failure(NamedTuple):
    """Why a run has no result; if `diverged`, it would fail again."""

    error: str
    diverged: bool


def failure_of(place: RunsFolder, planned: PlannedRun) -> Failure | None:
    """The failure recorded for a run by `record_failure`, or None.

    Raises:
        RunError: the file is damaged.
    """
    file = place.failure_file(planned)
    if not file.exists():
        return None
    kept = runs.read_json(file)
    return Failure(str(kept.get("error", "")), bool(kept.get("diverged")))


def record_failure(
    place: RunsFolder, planned: PlannedRun, message: str, *, diverged: bool = False
) -> None:
    """Record why a run has no result.

    Args:
        diverged: whether it would fail again and must not be repeated.
    """
    runs.write_json(
        place.failure_file(planned),
        {
            "error": message,
            "diverged": diverged,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def outcome(place: RunsFolder, planned: PlannedRun) -> Outcome:
    """Read a run's folder, finished or not.

    Raises:
        RunError: a file in it is damaged.
    """
    path = place.run_folder(planned)
    state, failure = NOT_BEGUN, ""
    if is_finished(path):
        state = FINISHED
    elif found := failure_of(place, planned):
        state, failure = FAILED, found.error
    elif runs.is_run(path):
        state = BEGUN
    run = Run(path, planned.recipe)
    history = run.history
    stopped = progress(runs.load(path)).reason if runs.is_run(path) else ""
    return Outcome(
        planned.row,
        planned.seed,
        state,
        len(history),
        failure,
        read_metrics(path) if state == FINISHED else None,
        begun_environment(run),
        _monitored(planned, history) if history else None,
        _best_epoch_accuracy(path),
        training_s(run),
        stopped,
    )


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """The first epoch with the highest validation accuracy, from 1.

    Args:
        history: rows of history.csv, at least one.
    """
    return int(max(history, key=lambda row: row["val_accuracy"])["epoch"])


def _monitored(planned: PlannedRun, history: list[dict[str, float]]) -> Monitored:
    best = best_epoch(history)
    return Monitored(
        "test" if planned.recipe.validation == "test" else "validation",
        best,
        history[0]["val_accuracy"],
        history[best - 1]["val_accuracy"],
        history[-1]["val_accuracy"],
    )


def _best_epoch_accuracy(path: Path) -> float | None:
    folder = path / BEST_EPOCH_FOLDER
    if not (folder / METRICS_FILE).exists():
        return None
    return read_metrics(folder)["accuracy"]


@dataclass(frozen=True)
class Cell:
    """One row of the paper's Table 1 or 2, with our result.

    Attributes:
        row: a name from `kerasnets.paper.rows.PAPER`.
        label: the row's name in the paper.
        table: the paper's table, 1 (MNIST) or 2 (CIFAR-10).
        recipe: our recipe for seed 0.
        paper_accuracy: a share.
        paper_interval: of the paper's accuracy, from its number of test images, in
            shares.
        paper_minutes: the paper's training time on its GPU, or None.
        outcomes: one per seed.
        accuracy: test accuracy of the last epoch's network, mean over finished seeds, a
            share; None if there are none.
        interval: of `accuracy`, in shares.
        difference: ours minus the paper's, in shares.
        verdict: see `kerasnets.paper.verdict`.
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
        """The row's name, with the dataset if it is not the paper's."""
        return measured_name(self.row, self.recipe.dataset)

    @property
    def finished(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.state == FINISHED)

    @property
    def minutes(self) -> float | None:
        """Minutes of training and validation on our machine, mean over seeds."""
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
    """The heading of a table, such as "Table 1: MNIST", or "Table 1 on Digits instead
    of MNIST" if the study's scale replaces the dataset."""
    alike = [cell for cell in cells if cell.table == number]
    (paper,) = {PAPER[cell.row].recipe.dataset for cell in alike}
    (dataset,) = {cell.recipe.dataset for cell in alike}
    if dataset == paper:
        return f"Table {number}: {dataset_title(dataset)}"
    return (
        f"Table {number} on {dataset_title(dataset)} instead of {dataset_title(paper)}"
    )


def elsewhere(cells: Sequence[Cell]) -> str:
    """The phrase " on Digits" if rows were trained on data other than the paper's,
    to be added to statements on their results; else ""."""
    others = {
        cell.recipe.dataset
        for cell in cells
        if cell.recipe.dataset != PAPER[cell.row].recipe.dataset
    }
    return f" on {' and '.join(map(dataset_title, sorted(others)))}" if others else ""


def cell(study: Study, row: str, outcomes: Sequence[Outcome]) -> Cell:
    """Build a row's cell from the outcomes of its seeds."""
    paper = PAPER[row]
    recipe = study.recipe(row)
    facts = DATASETS[paper.recipe.dataset]
    reported = paper.test_accuracy / 100
    known = accuracy_interval([reported], facts.test)
    done = [one for one in outcomes if one.state == FINISHED]
    accuracies = [one.metrics["accuracy"] for one in done if one.metrics]
    metrics = (done[0].metrics if done else None) or {}
    mean = math.fsum(accuracies) / len(accuracies) if accuracies else None
    found = accuracy_interval(accuracies, metrics["images"]) if accuracies else None
    return Cell(
        row=row,
        label=paper.label,
        table=1 if paper.recipe.dataset == "mnist" else 2,
        recipe=recipe,
        paper_accuracy=reported,
        paper_interval=known,
        paper_minutes=paper.minutes,
        outcomes=tuple(outcomes),
        accuracy=mean,
        interval=found,
        difference=None if mean is None else mean - reported,
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
    """The progress of a row without a result."""
    if farthest.state == NOT_BEGUN:
        return "not run"
    trained = f"not run to its end: {farthest.epochs} of {recipe.epochs} epochs"
    seen = farthest.monitored
    if seen is None:
        return trained
    return f"{trained}, {seen.split} {spaced_percent(seen.last)}"
