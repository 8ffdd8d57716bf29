"""Tables of a study's results, with the paper's and others'."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from kerasnets.catalog.titles import network_title
from kerasnets.paper.claims import Claim
from kerasnets.paper.outcomes import FAILED, Cell
from kerasnets.paper.references import REFERENCES
from kerasnets.statistics import CONFIDENT, INTERVAL, Interval
from kerasnets.text import Table, number, points, spaced_percent

T = TypeVar("T")

RULE = (
    f"Intervals are {CONFIDENT}: Wilson's for one run (sampling of the test images), "
    "Student's t over seeds for several. A row agrees if its interval and the Wilson "
    "interval of the paper's number overlap, differs if they do not, and is not "
    "comparable if it does not follow the paper's protocol; a scaled-down run is not a "
    "reproduction."
)
WHICH_EPOCH = (
    "The accuracy above is the last epoch's. Next to it is that of the epoch that is "
    "best on the held-out images, unknown if its network was not kept. The best on the "
    "test split is optimistic, because the same images select and measure it; it needs "
    "--validation test."
)


def table_of(
    rows: Iterable[T],
    columns: Mapping[str, Callable[[T], str]],
    words: tuple[str, ...] = (),
) -> Table:
    """A table with a row for each of `rows`.

    Args:
        columns: functions that return a row's cell, by heading.
        words: headings of text columns.
    """
    cells = (tuple(cell(row) for cell in columns.values()) for row in rows)
    return Table(tuple(columns), tuple(cells), words)


def paper_table(cells: Sequence[Cell], table: int) -> Table:
    """Table 1 or 2 of the paper, with our results."""
    return table_of(
        [cell for cell in cells if cell.paper.table == table],
        {
            "Network": lambda cell: cell.paper.label,
            "Paper": lambda cell: spaced_percent(cell.paper.accuracy),
            f"Ours ({INTERVAL})": lambda cell: accuracy_text(
                cell.accuracy, cell.interval, len(cell.finished)
            ),
            "Points": lambda cell: (
                "" if cell.difference is None else points(cell.difference)
            ),
            "Verdict": _verdict,
            "Training / validation / test images": _data,
            "Epochs": lambda cell: str(cell.recipe.epochs),
            "Minutes": lambda cell: number(cell.minutes, ".1f"),
            "Minutes there": lambda cell: number(cell.paper.minutes, "g"),
        },
        words=("Verdict",),
    )


def epochs_table(cells: Sequence[Cell]) -> Table:
    """Last, best monitored and best test accuracy of each finished run."""
    return table_of(
        [
            (cell.name, run, run.monitored)
            for cell in cells
            for run in cell.finished
            if run.monitored
        ],
        {
            "Row": lambda one: one[0],
            "Seed": lambda one: str(one[1].seed),
            "Test, last epoch": lambda one: _percent(one[1].accuracy),
            "Best monitored epoch": lambda one: (
                f"{one[2].best_epoch} ({_percent(one[2].best)} on {one[2].split})"
            ),
            "Test, best validation epoch": lambda one: _percent(
                one[1].accuracy_at_best_validation
            ),
            "Best on test (optimistic)": lambda one: _percent(one[1].best_on_test),
        },
    )


def references_table() -> Table:
    """Published results on CIFAR-10."""
    return table_of(
        REFERENCES,
        {
            "Network": lambda one: network_title(one.network),
            "Test accuracy": lambda one: f"{one.accuracy:.2f} %",
            "Parameters": lambda one: (
                f"{one.parameters:.1f} M" if one.parameters else ""
            ),
            "Head": lambda one: one.head,
            "Stem": lambda one: one.stem,
            "Epochs": lambda one: str(one.epochs),
            "Source": lambda one: one.source,
            "Note": lambda one: one.note,
        },
        words=("Head", "Stem", "Source", "Note"),
    )


def claims_table(claims: Sequence[Claim]) -> Table:
    """Claims of the paper's text, checked."""
    columns: dict[str, Callable[[Claim], str]] = {
        "Section": lambda claim: claim.section,
        "The paper says": lambda claim: claim.sentence,
        "": lambda claim: claim.status,
        "What was found": lambda claim: claim.finding,
    }
    return table_of(claims, columns, words=tuple(columns))


def accuracy_text(
    accuracy: float | None, interval: Interval | None, seeds: int = 1
) -> str:
    """The percentage with its interval, and the number of seeds if several."""
    if accuracy is None or interval is None:
        return ""
    several = f", {seeds} seeds" if seeds > 1 else ""
    return f"{spaced_percent(accuracy)} ({interval.percent()}{several})"


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
        known = run.environment
        if not known.keys() >= {"train_images", "validation_images"}:
            continue
        held_out = known["validation_images"]
        if cell.recipe.validation == "test":
            held_out = 0
        return f"{known['train_images']:,} / {held_out:,} / {run.metrics['images']:,}"
    return ""


def _percent(value: float | None) -> str:
    return "unknown" if value is None else spaced_percent(value)
