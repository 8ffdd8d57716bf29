"""The outcome of one run of a study, read from its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from kerasnets import runs
from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.plan import PlannedRun
from kerasnets.paper.rows import PAPER, PaperRow
from kerasnets.paper.verdict import Verdict, judge, paper_interval, scaled_down
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.records import begun_environment, training_s
from kerasnets.runs.results import BEST_EPOCH_FOLDER, METRICS_FILE, read_metrics
from kerasnets.runs.status import progress
from kerasnets.statistics import Interval, accuracy_interval
from kerasnets.text import spaced_percent

FINISHED, FAILED, BEGUN, NOT_BEGUN = "finished", "failed", "begun", "not begun"
DATA_CHANGED = "the data changed between training and evaluation"


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
        metrics: the content of metrics.json; empty unless finished.
        environment: the content of environment.json; empty unless begun.
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
    metrics: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    monitored: Monitored | None = None
    best_epoch_accuracy: float | None = None
    train_s: float = 0.0
    stopped: str = ""

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of the last epoch's network, a share."""
        return self.metrics.get("accuracy")

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
    # examples.png is drawn last. The network is not required, as a published study has
    # no weights.
    drawn = all((path / name).is_file() for name in (METRICS_FILE, "examples.png"))
    return drawn and progress(runs.load(path)).finished


class Failure(NamedTuple):
    """Why a run has no result; if `diverged`, it would fail again."""

    error: str
    diverged: bool


def failure_of(planned: PlannedRun) -> Failure | None:
    """The failure recorded for a run by `record_failure`, or None.

    Raises:
        RunError: the file is damaged.
    """
    if not planned.failure_file.exists():
        return None
    kept = runs.read_json(planned.failure_file)
    return Failure(str(kept.get("error", "")), bool(kept.get("diverged")))


def is_settled(planned: PlannedRun) -> bool:
    """Whether nothing is left to do: the run is finished, or has diverged."""
    if is_finished(planned.folder):
        return True
    failure = failure_of(planned)
    return failure is not None and failure.diverged


def record_failure(
    planned: PlannedRun, message: str, *, diverged: bool = False
) -> None:
    """Record why a run has no result.

    Args:
        diverged: whether it would fail again and must not be repeated.
    """
    runs.write_json(
        planned.failure_file,
        {
            "error": message,
            "diverged": diverged,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def outcome(planned: PlannedRun) -> Outcome:
    """Read a run's folder, finished or not.

    Raises:
        RunError: a file in it is damaged.
    """
    path = planned.folder
    state, failure = NOT_BEGUN, ""
    if is_finished(path):
        state = FINISHED
    elif found := failure_of(planned):
        state, failure = FAILED, found.error
    elif runs.is_run(path):
        state = BEGUN
    run = Run(path, planned.recipe)
    history = run.history
    monitored = None
    if history:
        best = best_epoch(history)
        shares = [row["val_accuracy"] for row in history]
        monitored = Monitored(
            planned.recipe.monitored_split,
            *(best, shares[0], shares[best - 1], shares[-1]),
        )
    stopped = progress(runs.load(path)).reason if runs.is_run(path) else ""
    of_best = path / BEST_EPOCH_FOLDER
    tested = (of_best / METRICS_FILE).exists()
    return Outcome(
        planned.row,
        planned.seed,
        state,
        len(history),
        failure,
        read_metrics(path) if state == FINISHED else {},
        begun_environment(run) or {},
        monitored,
        read_metrics(of_best)["accuracy"] if tested else None,
        training_s(run),
        stopped,
    )


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """The first epoch with the highest validation accuracy, from 1.

    Args:
        history: rows of history.csv, at least one.
    """
    return int(max(history, key=lambda row: row["val_accuracy"])["epoch"])


def without_result(
    outcomes: Sequence[Outcome], epochs: int, *, monitored: bool = False
) -> str:
    """Why a row has no result: a failure, or how far its runs have come.

    Args:
        epochs: of the recipe.
        monitored: whether to add the last accuracy on the monitored images.
    """
    for one in outcomes:
        if one.state == FAILED:
            return f"failed: {one.failure}"
    farthest = max(outcomes, key=lambda one: one.epochs)
    if farthest.state == NOT_BEGUN:
        return "not run"
    reached = f"not run to its end: {farthest.epochs} of {epochs} epochs"
    seen = farthest.monitored if monitored else None
    return f"{reached}, {seen.split} {spaced_percent(seen.last)}" if seen else reached


@dataclass(frozen=True)
class Cell:
    """One row of the paper's Table 1 or 2, with our result.

    Attributes:
        row: a name from `kerasnets.paper.rows.PAPER`.
        recipe: our recipe for seed 0.
        outcomes: one per seed.
    """

    row: str
    recipe: Recipe
    outcomes: tuple[Outcome, ...]

    @property
    def paper(self) -> PaperRow:
        return PAPER[self.row]

    @property
    def name(self) -> str:
        """The row's name, with the dataset if it is not the paper's."""
        return measured_name(self.row, self.recipe.dataset)

    @property
    def finished(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.state == FINISHED)

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of the last epoch's network, mean over finished seeds, a share;
        None if there are none."""
        shares = [one.metrics["accuracy"] for one in self.finished]
        return fmean(shares) if shares else None

    @property
    def interval(self) -> Interval | None:
        """The interval of `accuracy`, in shares."""
        shares = [one.metrics["accuracy"] for one in self.finished]
        images = [one.metrics["images"] for one in self.finished]
        return accuracy_interval(shares, images[0]) if shares else None

    @property
    def difference(self) -> float | None:
        """Our accuracy minus the paper's, in shares."""
        ours = self.accuracy
        return None if ours is None else ours - self.paper.accuracy

    @property
    def minutes(self) -> float | None:
        """Minutes of training and validation on our machine, mean over seeds."""
        times = [one.train_s / 60 for one in self.finished]
        return fmean(times) if times else None

    @property
    def collapsed(self) -> str:
        """The class that a finished run predicts for (almost) all images, or ""."""
        found = (one.metrics.get("collapsed") for one in self.finished)
        return next((str(one["class"]) for one in found if one), "")

    @property
    def verdict(self) -> Verdict:
        """See `kerasnets.paper.verdict`."""
        notes = (one.metrics.get("dataset_note", "") for one in self.finished)
        paper, obstacle = paper_interval(self.row), self._obstacle()
        return judge(paper, self.interval, obstacle, note=next(notes, ""))

    def _obstacle(self) -> str:
        """Why the results cannot be compared with the paper's, or ""."""
        epochs = self.recipe.epochs
        if not self.finished:
            return without_result(self.outcomes, epochs, monitored=True)
        for one in self.outcomes:
            if one.stopped:
                return f"stopped early after {one.epochs} of {epochs} epochs"
        changed = any(one.metrics.get("data_changed") for one in self.outcomes)
        return scaled_down(self.row, self.recipe) or (DATA_CHANGED if changed else "")


def table_title(number: int, cells: Sequence[Cell]) -> str:
    """The heading of a table, such as "Table 1: MNIST", or "Table 1 on Digits instead
    of MNIST" if the study's scale replaces the dataset."""
    alike = [cell for cell in cells if cell.paper.table == number]
    (paper,) = {dataset_title(cell.paper.recipe.dataset) for cell in alike}
    where = elsewhere(alike)
    if where:
        return f"Table {number}{where} instead of {paper}"
    return f"Table {number}: {paper}"


def elsewhere(cells: Sequence[Cell]) -> str:
    """The phrase " on Digits" if rows were trained on data other than the paper's,
    to be added to statements on their results; else ""."""
    others = {
        cell.recipe.dataset
        for cell in cells
        if cell.recipe.dataset != cell.paper.recipe.dataset
    }
    return f" on {' and '.join(map(dataset_title, sorted(others)))}" if others else ""
