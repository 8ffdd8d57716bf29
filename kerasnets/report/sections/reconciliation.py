"""Which assumptions would bring the paper's numbers inside the interval."""

from collections.abc import Sequence

from kerasnets.paper.reconciliation.output import QUESTION
from kerasnets.paper.reconciliation.table import Reconciled, findings_table
from kerasnets.report.commands import reproduce_command
from kerasnets.report.html import (
    Html,
    bullets,
    element,
    joined,
    paragraph,
    section,
    table,
)


def reconciled_section(found: Sequence[Reconciled]) -> Html:
    """A table for each row that was tried; empty where none was."""
    if not found:
        return Html()
    return section(
        "reconcile",
        "What would have to be true",
        paragraph(QUESTION),
        *(_row(one) for one in found),
    )


def _row(one: Reconciled) -> Html:
    title = f"{one.title}: {one.paper_accuracy:.2f} % in the paper"
    planned = one.reconciliation
    command = f"{reproduce_command(planned.study)} --reconcile {planned.row}"
    return joined(
        [
            element("h3", title),
            table(findings_table(one), title, _mark),
            paragraph(one.conclusion),
            bullets(f"Data: {note}." for note in one.data_notes),
            bullets(f"Machine: {name}." for name in one.machines),
            element("p", "Repeated by ", element("code", command), "."),
        ]
    )


def _mark(cell: str) -> str | None:
    return {"yes": "agrees", "no": "differs", "not comparable": "neither"}.get(cell)
