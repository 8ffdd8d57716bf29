"""Our results next to the paper's: its tables, the choice of epoch, others' published
results, and the claims of its text."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.claims import Claim, claims
from kerasnets.paper.outcomes import DATA_CHANGED, table_title
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
)
from kerasnets.paper.verdict import judge, paper_interval, scaled_down
from kerasnets.recipe import Recipe
from kerasnets.report.sources import Record, Sources
from kerasnets.runs import Run
from kerasnets.runs.status import STOPPED, progress
from kerasnets.statistics import INTERVAL, accuracy_interval
from kerasnets.text import Table, points, spaced_percent

# What distinguishes the paper's rows.
_telling = attrgetter("network", "dataset", "batch_norm", "glorot", "dropout")


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
    alike = (row for row in PAPER if _telling(PAPER[row].recipe) == _telling(recipe))
    return next(alike, None)


def runs_table(records: Sequence[Record]) -> Table:
    """Evaluated runs outside a study that match one of the paper's rows."""
    rows = []
    for record in records:
        row = paper_row(record.run.recipe)
        if row is None or record.evaluated is None:
            continue
        paper, metrics = PAPER[row], record.evaluated.metrics
        ours = accuracy_interval([record.accuracy], metrics["images"])
        verdict = judge(
            paper_interval(row),
            ours,
            _obstacle(record.run, row, metrics),
            metrics.get("dataset_note", ""),
        )
        cells = (
            record.label,
            f"{paper.label}, {dataset_title(paper.recipe.dataset)}",
            spaced_percent(paper.accuracy),
            accuracy_text(record.accuracy, ours),
            points(record.accuracy - paper.accuracy),
            str(verdict),
        )
        rows.append(cells)
    ours_column = f"Ours ({INTERVAL})"
    return Table(
        ("Run", "The paper's row", "Paper", ours_column, "Points", "Verdict"),
        tuple(rows),
        words=("The paper's row", "Verdict"),
    )


def _obstacle(run: Run, row: str, metrics: Mapping[str, Any]) -> str:
    """Why a run's result cannot be compared with a row of the paper, or ""."""
    reached = progress(run)
    if scale := scaled_down(row, run.recipe):
        return scale
    if reached.state == STOPPED:
        return "its training was stopped early"
    if reached.epochs_done < reached.epochs:
        return "its training has not finished"
    if metrics["data_changed"]:
        return DATA_CHANGED
    return ""
