"""Our results next to the paper's: its tables, the choice of epoch, others' published
results, and the claims of its text."""

from collections.abc import Sequence
from typing import Any

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.claims import Claim, claims
from kerasnets.paper.outcomes import table_title
from kerasnets.paper.reconciliation.output import QUESTION
from kerasnets.paper.reconciliation.table import findings_table
from kerasnets.paper.rows import PAPER
from kerasnets.paper.tables import (
    RULE,
    WHICH_EPOCH,
    accuracy_text,
    epochs_table,
    paper_table,
    references_table,
    table_of,
)
from kerasnets.paper.verdict import Verdict, judge, scaled_down
from kerasnets.recipe import Recipe
from kerasnets.report.sources import Record, Sources
from kerasnets.runs.status import STOPPED, progress
from kerasnets.statistics import INTERVAL, Interval, accuracy_interval
from kerasnets.text import Table, points, spaced_percent

# Fields that distinguish the paper's rows.
_TELLING = ("network", "dataset", "batch_norm", "glorot", "dropout")


def beside_the_paper(sources: Sources) -> dict[str, Any]:
    """Tables 1 and 2 of a study, or the runs that match one of their rows."""
    if sources.results is None:
        known = runs_table(sources.records)
        tables = [("", known)] if known.rows else []
        return {"tables": tables, "rule": RULE, "epochs": None, "references": None}
    cells = sources.results.cells
    return {
        "tables": [(table_title(n, cells), paper_table(cells, n)) for n in (1, 2)],
        "rule": RULE,
        "epochs": epochs_table(cells),
        "which_epoch": WHICH_EPOCH,
        "references": references_table(),
        "test_images": DATASETS["cifar10"].test,
    }


def reconciled(sources: Sources) -> dict[str, Any] | None:
    """Rows tried under other assumptions, if any."""
    rows = [(one, findings_table(one)) for one in sources.reconciled]
    return {"question": QUESTION, "rows": rows} if rows else None


def text_checked(sources: Sources) -> tuple[Claim, ...]:
    """Claims of the paper's text, checked against its tables and our runs."""
    return sources.results.claims if sources.results else claims()


def paper_row(recipe: Recipe) -> str | None:
    """The row of the paper's tables that a recipe matches at any scale, or None."""
    for name, row in PAPER.items():
        if all(getattr(recipe, f) == getattr(row.recipe, f) for f in _TELLING):
            return name
    return None


def runs_table(records: Sequence[Record]) -> Table:
    """Evaluated runs outside a study that match one of the paper's rows."""
    known = [
        (record, row)
        for record in records
        if record.evaluated and (row := paper_row(record.run.recipe))
    ]
    return table_of(
        known,
        {
            "Run": lambda one: one[0].label,
            "The paper's row": lambda one: (
                f"{PAPER[one[1]].label}, {dataset_title(PAPER[one[1]].recipe.dataset)}"
            ),
            "Paper": lambda one: spaced_percent(PAPER[one[1]].test_accuracy / 100),
            f"Ours ({INTERVAL})": lambda one: accuracy_text(
                one[0].accuracy, _ours(one[0])
            ),
            "Points": lambda one: points(
                one[0].accuracy - PAPER[one[1]].test_accuracy / 100
            ),
            "Verdict": lambda one: str(_verdict(*one)),
        },
        words=("The paper's row", "Verdict"),
    )


def _ours(record: Record) -> Interval:
    assert record.evaluated
    return accuracy_interval([record.accuracy], record.evaluated.metrics["images"])


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
    known = accuracy_interval(
        [paper.test_accuracy / 100], DATASETS[paper.recipe.dataset].test
    )
    return judge(known, _ours(record), obstacle, metrics.get("dataset_note", ""))
