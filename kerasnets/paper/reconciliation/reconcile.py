"""Train a row of a study under other assumptions, one at a time."""

from dataclasses import replace
from typing import Any

from kerasnets.paper import files, plan
from kerasnets.paper.outcomes import is_settled
from kerasnets.paper.reconciliation import output
from kerasnets.paper.reconciliation.alternatives import Reconciliation
from kerasnets.paper.reconciliation.table import Reconciled
from kerasnets.paper.reproduction.reproduce import check_settings, complete_runs
from kerasnets.paper.reproduction.settings import Settings


def reconcile(reconciliation: Reconciliation, **settings: Any) -> Reconciled:
    """Complete the row's own runs and those of every alternative, and write
    reconcile.json and reconcile.md after each.

    Call it again after an interruption. It raises the same errors as
    `reproduce.reproduce`.

    Args:
        reconciliation: a result of `alternatives.reconciliation`.
        settings: fields of `kerasnets.paper.reproduction.settings.Settings`.
    """
    chosen = Settings(**settings)
    unsettled = [one for one in reconciliation.all_runs if not is_settled(one)]
    device = check_settings(unsettled, chosen)
    plan.begin(reconciliation.study)
    plan.begin(reconciliation)

    def publish() -> None:
        files.write(reconciliation.study)
        output.write(reconciliation)
        chosen.ended()

    complete_runs(unsettled, replace(chosen, ended=publish), device)
    return output.write(reconciliation)
