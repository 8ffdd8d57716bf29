"""Results of a row under other assumptions: with which is the paper's number inside the
interval?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.outcomes import (
    DATA_CHANGED,
    FINISHED,
    Outcome,
    outcome,
    without_result,
)
from kerasnets.paper.plan import PlannedRun
from kerasnets.paper.reconciliation.alternatives import (
    ON_TEST,
    Reconciliation,
    not_tried,
)
from kerasnets.paper.results import machines
from kerasnets.paper.rows import PAPER, PaperRow
from kerasnets.paper.tables import accuracy_text, table_of
from kerasnets.paper.verdict import scaled_down
from kerasnets.statistics import INTERVAL, Interval, accuracy_interval
from kerasnets.text import Table, spaced_percent

UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Finding:
    """One assumption and its result.

    Attributes:
        name: the alternative's name or `UNCHANGED`, possibly followed by "-best".
        assumed: the assumption in words.
        folders: run folders, relative to the study's folder.
        accuracy: test accuracy, mean over finished seeds, a share, or None.
        interval: of `accuracy`, in shares, or None.
        finished: number of finished seeds.
        inside: whether the paper's number is in the interval; None if there is no
            interval or the two cannot be compared.
        remark: why there is no result, or a caveat.
    """

    name: str
    assumed: str
    folders: tuple[str, ...]
    accuracy: float | None = None
    interval: Interval | None = None
    finished: int = 0
    inside: bool | None = None
    remark: str = ""


@dataclass(frozen=True)
class Reconciled:
    """A row under each assumption.

    Attributes:
        reconciliation: the planned runs.
        findings: results, beginning with the study's own assumptions.
        obstacle: why the study's results cannot be compared with the paper's, or "".
        outcomes: of all runs.
    """

    reconciliation: Reconciliation
    findings: tuple[Finding, ...]
    obstacle: str
    outcomes: tuple[Outcome, ...]

    @property
    def paper(self) -> PaperRow:
        return PAPER[self.reconciliation.row]

    @property
    def title(self) -> str:
        """The study's dataset and the paper's name of the row."""
        dataset = self.reconciliation.recipe.dataset
        return f"{dataset_title(dataset)}, {self.paper.label}"

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines of the runs, most common first."""
        return machines(self.outcomes)

    @property
    def data_notes(self) -> tuple[str, ...]:
        """Remarks on the images."""
        notes = [one.environment.get("dataset_note") for one in self.outcomes]
        return tuple(sorted({str(note) for note in notes if note}))

    @property
    def conclusion(self) -> str:
        """A summary in one or two sentences."""
        done = sum(one.state == FINISHED for one in self.outcomes)
        runs = f"{done} of {len(self.outcomes)} runs are finished."
        if self.obstacle:
            return f"No assumption can be judged: {self.obstacle}. {runs}"
        judged = [one for one in self.findings if one.inside is not None]
        inside = [one for one in judged if one.inside]
        if not judged:
            return runs
        number = spaced_percent(self.paper.accuracy)
        if not inside:
            best = max(judged, key=lambda one: one.accuracy or 0)
            highest = spaced_percent(best.accuracy or 0)
            return (
                f"None of the {len(judged)} results so far has the paper's {number} "
                f"inside its interval; the highest is {highest} "
                f"({best.assumed}). {runs}"
            )
        names = "; ".join(one.assumed for one in inside)
        return (
            f"{len(inside)} of {len(judged)} results have the paper's {number} inside "
            f"their interval: {names}. {runs}"
        )


def gather(reconciliation: Reconciliation) -> Reconciled:
    """Read the run folders of a reconciliation.

    Raises:
        RunError: a file in one is damaged.
    """
    study, recipe = reconciliation.study, reconciliation.recipe
    obstacle = scaled_down(reconciliation.row, recipe)
    paper = PAPER[reconciliation.row].accuracy
    outcomes = {one.name: outcome(one) for one in reconciliation.all_runs}
    findings: list[Finding] = []

    def add(
        name: str,
        assumed: str,
        planned: Sequence[PlannedRun],
        accuracy: Callable[[Outcome], float | None] = lambda one: one.accuracy,
        remark: str = "",
    ) -> None:
        seeds = [outcomes[one.name] for one in planned]
        done = [one for one in seeds if one.state == FINISHED]
        found = [value for one in done if (value := accuracy(one)) is not None]
        if not done:
            remark = without_result(seeds, recipe.epochs)
        elif len(found) < len(done):
            # A mean over some of the seeds would not compare with the other rows.
            found, remark = [], "unknown: that epoch's network was not kept"
        changed = any(one.metrics.get("data_changed") for one in done)
        if changed:
            remark = DATA_CHANGED
        interval, inside = None, None
        if found:
            interval = accuracy_interval(found, done[0].metrics["images"])
            if not obstacle and not changed:
                inside = interval.low <= paper <= interval.high
        findings.append(
            Finding(
                name,
                assumed,
                tuple(one.folder.relative_to(study.path).as_posix() for one in planned),
                fmean(found) if found else None,
                interval,
                len(found),
                inside,
                remark,
            )
        )

    def add_best_on_test(
        name: str, assumed: str, planned: Sequence[PlannedRun]
    ) -> None:
        add(
            f"{name}-best",
            f"{assumed}, and the best epoch on the test images is reported",
            planned,
            lambda one: one.best_on_test,
            "optimistic: chosen on the images that it is measured on",
        )

    own = reconciliation.unchanged
    add(UNCHANGED, "Nothing: as in the study", own)
    if recipe.validation == "test":
        add_best_on_test(UNCHANGED, ON_TEST, own)
    else:
        add(
            f"{UNCHANGED}-best",
            "The best epoch on the held-out images is tested, not the last",
            own,
            lambda one: one.accuracy_at_best_validation,
        )
    for one in reconciliation.alternatives:
        planned = reconciliation.runs_of(one)
        add(one.name, one.assumed, planned)
        if one.changes.get("validation") == "test":
            add_best_on_test(one.name, one.assumed, planned)
    every = tuple(outcomes.values())
    return Reconciled(reconciliation, tuple(findings), obstacle, every)


def findings_table(reconciled: Reconciled) -> Table:
    """Assumption, result, the paper's number, and whether it is inside the interval."""
    paper = spaced_percent(reconciled.paper.accuracy)
    untried = [
        Finding(assumed, assumed, (), remark=f"not tried: {reason}")
        for assumed, reason in not_tried(reconciled.reconciliation.recipe).items()
    ]
    return table_of(
        [*reconciled.findings, *untried],
        {
            "What was assumed": lambda one: one.assumed,
            f"Ours ({INTERVAL})": lambda one: accuracy_text(
                one.accuracy, one.interval, one.finished
            ),
            "Paper": lambda one: paper,
            "Paper inside the interval": lambda one: _inside(one, reconciled.obstacle),
            "Remark": lambda one: one.remark,
        },
        words=("Paper inside the interval", "Remark"),
    )


def _inside(one: Finding, obstacle: str) -> str:
    if one.inside is None:
        return "not comparable" if obstacle and one.accuracy is not None else ""
    return "yes" if one.inside else "no"
