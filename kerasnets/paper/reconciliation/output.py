"""reconcile.json and reconcile.md of a row."""

import dataclasses
from typing import Any

from kerasnets import runs
from kerasnets.paper.files import accuracy_values
from kerasnets.paper.pages import render
from kerasnets.paper.reconciliation.alternatives import Reconciliation, not_tried
from kerasnets.paper.reconciliation.table import Reconciled, findings_table, gather
from kerasnets.paper.scales import SCALES
from kerasnets.statistics import INTERVAL

QUESTION = (
    "Each result changes one thing that the paper does not state, and nothing else, in "
    f"the study's recipe of this row. Is the paper's number inside the {INTERVAL}? "
    "The interval is Wilson's for one run (sampling of the test images), and Student's "
    "t over seeds for several. A number inside shows that the assumption suffices, not "
    "that the paper made it."
)


def write(reconciliation: Reconciliation) -> Reconciled:
    """Write both files from the current state of the run folders.

    The lock covers reading too, so that the last writer has the latest state.
    """
    with reconciliation.lock("results", wait=True):
        reconciled = gather(reconciliation)
        runs.write_json(reconciliation.path / "reconcile.json", as_json(reconciled))
        runs.write_text(reconciliation.path / "reconcile.md", markdown(reconciled))
    return reconciled


def as_json(reconciled: Reconciled) -> dict[str, Any]:
    """The content of reconcile.json; accuracies in percent."""
    planned = reconciled.reconciliation
    changes = {one.name: dict(one.changes) for one in planned.alternatives}
    return {
        "row": planned.row,
        "scale": planned.study.scale,
        "seeds": planned.study.seeds,
        "assumptions": dict(planned.study.assumptions),
        "paper_accuracy": reconciled.paper.test_accuracy,
        "not_comparable": reconciled.obstacle,
        "machines": list(reconciled.machines),
        "data_notes": list(reconciled.data_notes),
        "recipe": dataclasses.asdict(planned.recipe),
        "findings": [
            {
                "name": one.name,
                "assumed": one.assumed,
                "changes": changes.get(one.name.removesuffix("-best"), {}),
                **accuracy_values(one.accuracy, one.interval),
                "seeds_finished": one.finished,
                "paper_inside": one.inside,
                "remark": one.remark,
                "runs": list(one.folders),
            }
            for one in reconciled.findings
        ],
        "not_tried": not_tried(planned.recipe),
        "conclusion": reconciled.conclusion,
    }


def markdown(reconciled: Reconciled) -> str:
    """The content of reconcile.md."""
    return render(
        "reconcile.md.j2",
        found=reconciled,
        scale=SCALES[reconciled.reconciliation.study.scale].summary,
        question=QUESTION,
        findings=findings_table(reconciled),
    )
