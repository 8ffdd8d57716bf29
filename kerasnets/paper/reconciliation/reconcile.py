"""Train a row of a study under other assumptions, one at a time."""

from dataclasses import replace
from typing import Any

from kerasnets.errors import RunError
from kerasnets.paper import files, plan
from kerasnets.paper.reconciliation import output
from kerasnets.paper.reconciliation.alternatives import Reconciliation
from kerasnets.paper.reconciliation.table import Reconciled
from kerasnets.paper.reproduction.means import Means
from kerasnets.paper.reproduction.reproduce import (
    bring_to_ends,
    check_means,
    is_settled,
)


def reconcile(reconciliation: Reconciliation, **means: Any) -> Reconciled:
    """Complete the row's own runs and those of every alternative, and write
    reconcile.json and reconcile.md after each.

    Call it again after an interruption. It raises the same errors as
    `reproduce.reproduce`.

    Args:
        reconciliation: a result of `alternatives.reconciliation`.
        means: fields of `kerasnets.paper.reproduction.means.Means`.
    """
    told = Means(**means)
    unsettled = [one for one in reconciliation.all_runs if not is_settled(*one)]
    computes_on = check_means(unsettled, told)
    plan.begin(reconciliation.study)
    _begin(reconciliation)

    def publish() -> None:
        files.write(reconciliation.study)
        output.write(reconciliation)
        told.ended()

    bring_to_ends(unsettled, replace(told, ended=publish), computes_on)
    return output.write(reconciliation)


def _begin(reconciliation: Reconciliation) -> None:
    try:
        for folder in ("runs", "failures", "locks"):
            (reconciliation.path / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot write {reconciliation.path}: {error.strerror}."
        ) from error
