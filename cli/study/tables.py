"""The tables that `kerasnets reproduce` prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerasnets import text
from kerasnets.catalog.titles import measured_name
from kerasnets.cli.tables import print_table
from kerasnets.statistics import INTERVAL
from kerasnets.text import duration

if TYPE_CHECKING:
    from kerasnets.paper.plan import Study
    from kerasnets.paper.reproduction.estimate import Estimate
    from kerasnets.paper.results import Results


def print_estimates(study: "Study", estimates: "Sequence[Estimate]") -> None:
    """Print what a study would run, and for how long."""
    rows = []
    for one in estimates:
        found = one.outcome
        state = f"{found.state}, {found.epochs} done" if found.epochs else found.state
        rows.append(
            (
                measured_name(one.planned.name, one.planned.recipe.dataset),
                f"{one.train_images:,}",
                str(one.planned.recipe.epochs),
                state,
                duration(one.seconds) if one.seconds else "",
            )
        )
    total = duration(sum(one.seconds for one in estimates))
    print_table(
        text.Table(
            ("run", "training images", "epochs", "state", "time left"),
            tuple(rows),
            words=("state",),
        ),
        f"Scale {study.scale}, in {study.path}. About {total} in one process, "
        "from a few measured steps; start-up, checkpoints and figures are not counted.",
    )


def print_study(results: "Results") -> None:
    """Print the paper's accuracies, ours and the verdicts."""
    rows = []
    for cell in results.cells:
        found = cell.interval
        rows.append(
            (
                cell.name,
                f"{100 * cell.paper.accuracy:.2f}",
                "" if cell.accuracy is None else f"{100 * cell.accuracy:.2f}",
                ""
                if found is None
                else f"{100 * found.low:.2f}–{100 * found.high:.2f}",
                cell.verdict.outcome,
            )
        )
    print_table(
        text.Table(
            ("row", "paper", "ours", INTERVAL, "verdict"),
            tuple(rows),
            words=("verdict",),
        ),
        f"Test accuracy in percent; {results.finished} of {len(results.outcomes)} runs "
        "finished. results.md gives the reasons.",
    )
