"""Ours beside the paper's: its tables, which epoch they show, what others report, and
what its text says."""

from collections.abc import Sequence
from typing import Any

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.claims import Claim, claims
from kerasnets.paper.outcomes import table_title
from kerasnets.paper.rows import PAPER
from kerasnets.paper.tables import (
    RULE,
    WHICH_EPOCH,
    epochs_table,
    paper_table,
    references_table,
)
from kerasnets.paper.verdict import (
    AGREES,
    DIFFERS,
    NOT_COMPARABLE,
    Verdict,
    judge,
    scaled_down,
)
from kerasnets.recipe import Recipe
from kerasnets.report.html import Html, element, folded, paragraph, section, table
from kerasnets.report.sources import Record, Sources
from kerasnets.runs.status import STOPPED, progress
from kerasnets.statistics import Interval, accuracy_interval
from kerasnets.text import Table

# Fields that tell the paper's rows of one dataset apart.
_TELLING = ("network", "dataset", "batch_norm", "glorot", "dropout")


def paper_section(sources: Sources) -> Html:
    """Tables 1 and 2 of a study; for other runs, those that are one of their rows."""
    if sources.results is None:
        known = runs_table(sources.records)
        parts = [table(known, "Runs beside the paper", verdict_mark)]
        if not known.rows:
            parts = [
                paragraph("None of the runs is one of the networks in its tables.")
            ]
        return section("paper", "Beside the paper", *parts, paragraph(RULE, "note"))
    cells = sources.results.cells
    parts = []
    for number in (1, 2):
        title = table_title(number, cells)
        parts += [
            element("h3", title),
            table(paper_table(cells, number), title, verdict_mark),
        ]
    parts.append(paragraph(RULE, "note"))
    epochs = epochs_table(cells)
    if epochs.rows:
        parts.append(
            folded("Which epoch", paragraph(WHICH_EPOCH), table(epochs, "Which epoch"))
        )
    images = f"{DATASETS['cifar10'].test:,} test images"
    parts.append(
        folded(
            f"What others report on CIFAR-10 ({images})",
            table(references_table(), "What others report on CIFAR-10"),
        )
    )
    return section("paper", "Beside the paper", *parts)


def verdict_mark(cell: str) -> str | None:
    """The class of a cell that holds a verdict."""
    kinds = {AGREES: "agrees", DIFFERS: "differs", NOT_COMPARABLE: "neither"}
    return kinds.get(cell.partition(":")[0])


def paper_row(recipe: Recipe) -> str | None:
    """The row of the paper's tables that a recipe is of, whatever its scale."""
    for name, row in PAPER.items():
        if all(getattr(recipe, f) == getattr(row.recipe, f) for f in _TELLING):
            return name
    return None


def runs_table(records: Sequence[Record]) -> Table:
    """Runs outside of a study that are one of the paper's rows, and are evaluated."""
    rows = []
    for record in records:
        row = paper_row(record.run.recipe)
        if row is None or record.evaluated is None:
            continue
        paper = PAPER[row]
        accuracy = 100 * record.evaluated.metrics["accuracy"]
        ours = _interval(record.evaluated.metrics)
        rows.append(
            (
                record.label,
                f"{paper.label}, {dataset_title(paper.recipe.dataset)}",
                f"{paper.test_accuracy:.2f} %",
                f"{accuracy:.2f} % ({ours.percent()})",
                f"{accuracy - paper.test_accuracy:+.2f}",
                str(_verdict(record, row)),
            )
        )
    return Table(
        (
            "Run",
            "The paper's row",
            "Paper",
            "Ours (95 % interval)",
            "Points",
            "Verdict",
        ),
        tuple(rows),
        words=("The paper's row", "Verdict"),
    )


def _verdict(record: Record, row: str) -> Verdict:
    assert record.evaluated
    metrics, recipe = record.evaluated.metrics, record.run.recipe
    obstacle = scaled_down(row, recipe)
    reached = progress(record.run)
    if not obstacle and reached.state == STOPPED:
        obstacle = "its training was stopped early"
    elif not obstacle and reached.epochs_done < reached.epochs:
        obstacle = "its training has not finished"
    if not obstacle and metrics["data_changed"]:
        obstacle = "the data changed between training and evaluation"
    paper = PAPER[row]
    images = DATASETS[paper.recipe.dataset].test
    known = accuracy_interval([paper.test_accuracy / 100], images)
    note = metrics.get("dataset_note", "")
    return judge(known, _interval(metrics), obstacle, note)


def _interval(metrics: dict[str, Any]) -> Interval:
    return accuracy_interval([metrics["accuracy"]], metrics["images"])


def claims_section(sources: Sources) -> Html:
    """The paper's text, checked."""
    checked = sources.results.claims if sources.results else claims()
    return section(
        "claims",
        "What we could and could not confirm",
        paragraph("The paper's text, held against its own tables and our runs."),
        *map(_claim, checked),
    )


def _claim(claim: Claim) -> Html:
    return element(
        "article",
        element(
            "p",
            element("strong", claim.status, class_="status"),
            f" Section {claim.section}",
        ),
        element("blockquote", claim.sentence),
        paragraph(claim.finding),
        class_=f"claim {claim.status.split()[0]}",
    )
