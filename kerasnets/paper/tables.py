"""A study's results as tables of text: beside the paper's, and what surrounds them."""

from collections.abc import Sequence

from kerasnets.catalog.titles import network_title
from kerasnets.paper.outcomes import FAILED, Cell
from kerasnets.paper.references import REFERENCES
from kerasnets.text import Table

RULE = (
    "Intervals are 95 %: Wilson for one run (sampling of the test images), t over "
    "seeds for several. A row agrees where its interval and the Wilson interval of "
    "the paper's number overlap, differs where they do not, and is not comparable "
    "where it is not the paper's protocol; a scaled-down run is not a reproduction."
)
WHICH_EPOCH = (
    "The accuracy above is the last epoch's; beside it, that of the epoch which is "
    "best on held-out images, unknown where its network was not kept. The best on the "
    "test split is chosen on what it is measured on, so it is optimistic; it needs "
    "--validation test."
)


def paper_table(cells: Sequence[Cell], number: int) -> Table:
    """Table 1 or 2 of the paper, and ours beside it."""
    return Table(
        (
            "Network",
            "Paper",
            "Ours (95 % interval)",
            "Points",
            "Verdict",
            "Training / validation / test images",
            "Epochs",
            "Minutes",
            "Minutes there",
        ),
        tuple(
            (
                cell.label,
                f"{cell.paper_accuracy:.2f} %",
                _ours(cell),
                "" if cell.difference is None else f"{cell.difference:+.2f}",
                _verdict(cell),
                _data(cell),
                str(cell.recipe.epochs),
                "" if cell.minutes is None else f"{cell.minutes:.1f}",
                "" if cell.paper_minutes is None else f"{cell.paper_minutes:g}",
            )
            for cell in cells
            if cell.table == number
        ),
        words=("Verdict",),
    )


def epochs_table(cells: Sequence[Cell]) -> Table:
    """Last, best monitored and best test accuracy of each finished run."""
    return Table(
        (
            "Row",
            "Seed",
            "Test, last epoch",
            "Best monitored epoch",
            "Test, best validation epoch",
            "Best on test (optimistic)",
        ),
        tuple(
            (
                cell.name,
                str(run.seed),
                _percent(run.accuracy),
                f"{run.monitored.best_epoch} ({_percent(run.monitored.best)} on "
                f"{run.monitored.split})",
                _percent(run.accuracy_at_best_validation),
                _percent(run.best_on_test),
            )
            for cell in cells
            for run in cell.finished
            if run.monitored
        ),
    )


def references_table() -> Table:
    """What others report on CIFAR-10."""
    return Table(
        (
            "Network",
            "Test accuracy",
            "Parameters",
            "Head",
            "Stem",
            "Epochs",
            "Source",
            "Note",
        ),
        tuple(
            (
                network_title(one.network),
                f"{one.accuracy:.2f} %",
                "" if one.parameters is None else f"{one.parameters:.1f} M",
                one.head,
                one.stem,
                str(one.epochs),
                one.source,
                one.note,
            )
            for one in REFERENCES
        ),
        words=("Head", "Stem", "Source", "Note"),
    )


def _ours(cell: Cell) -> str:
    if cell.accuracy is None or cell.interval is None:
        return ""
    seeds = f", {len(cell.finished)} seeds" if len(cell.finished) > 1 else ""
    return f"{cell.accuracy:.2f} % ({cell.interval.percent()}{seeds})"


def _verdict(cell: Cell) -> str:
    parts = [str(cell.verdict)]
    if cell.collapsed:
        parts.append(f"collapsed to class {cell.collapsed!r}")
    if cell.finished:
        parts += [
            f"seed {one.seed} failed: {one.failure}"
            for one in cell.outcomes
            if one.state == FAILED
        ]
    return "; ".join(parts)


def _data(cell: Cell) -> str:
    for run in cell.finished:
        known, metrics = run.environment or {}, run.metrics or {}
        held_out = known["validation_images"]
        if cell.recipe.validation == "test":
            held_out = 0
        return f"{known['train_images']:,} / {held_out:,} / {metrics['images']:,}"
    return ""


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} %"
