"""Train a row of a study under other assumptions, one at a time."""

from collections.abc import Callable

from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.errors import RunError
from kerasnets.paper import files, plan
from kerasnets.paper.reconciliation import output
from kerasnets.paper.reconciliation.alternatives import Reconciliation
from kerasnets.paper.reconciliation.table import Reconciled
from kerasnets.paper.reproduction.reproduce import (
    Means,
    bring_to_ends,
    check_means,
    is_settled,
)
from kerasnets.runs import NONE
from kerasnets.training.callbacks.progress import NORMAL


def reconcile(
    reconciliation: Reconciliation,
    *,
    execution: Execution = DEFAULT,
    keep_checkpoints: str = NONE,
    jobs: int = 1,
    wait: bool = False,
    verbosity: int = NORMAL,
    say: Callable[[str], None] = print,
    ended: Callable[[], None] = lambda: None,
) -> Reconciled:
    """Bring the row's own runs and those of every alternative to their end, and write
    reconcile.json and reconcile.md after each.

    Call it again after an interruption, as
    `reproduce.reproduce`, whose arguments and errors it has.

    Args:
        reconciliation: as `alternatives.reconciliation` gives it.
    """
    means = Means(execution, keep_checkpoints)
    unsettled = [one for one in reconciliation.all_runs if not is_settled(*one)]
    computes_on = check_means([planned for _, planned in unsettled], means)
    plan.begin(reconciliation.study)
    _begin(reconciliation)

    def publish() -> None:
        files.write(reconciliation.study)
        output.write(reconciliation)
        ended()

    bring_to_ends(
        unsettled,
        means,
        computes_on=computes_on,
        jobs=jobs,
        wait=wait,
        verbosity=verbosity,
        say=say,
        ended=publish,
    )
    return output.write(reconciliation)


def _begin(reconciliation: Reconciliation) -> None:
    try:
        for folder in ("runs", "failures", "locks"):
            (reconciliation.path / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot write {reconciliation.path}: {error.strerror}."
        ) from error
