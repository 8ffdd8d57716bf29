"""kerasnets reproduce: the paper's study, run again."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnets.catalog.kept_checkpoints import KEEP, NONE
from kerasnets.cli.options import (
    Name,
    execution_options,
    recipe_options,
)
from kerasnets.console import line
from kerasnets.errors import shown
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import ASSUMPTIONS, SCALES

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution
    from kerasnets.paper.reconciliation.alternatives import Reconciliation


@click.command()
@click.argument("rows", metavar="[ROW]...", nargs=-1, type=Name("row", PAPER))
@click.option(
    "--scale",
    type=Name("scale", SCALES),
    help="How much of the paper's protocol to run: paper (all, days on a CPU), quick "
    "(half an hour to two hours on two CPU cores), smoke (digits, under three "
    "minutes).  [default: the study's own, or quick]",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Runs of each row.  [default: the study's own, or 1]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The study's folder.  [default: artifacts/study/SCALE]",
)
@recipe_options(*ASSUMPTIONS)
@click.option(
    "--reconcile",
    "reconciled_row",
    type=Name("row", PAPER),
    help="Train this row again with unstated assumptions changed, one at a time and "
    "together, and see which bring the paper's number inside the interval.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would run and, estimated from a few measured steps, for how long.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Rows to run at a time, each in its own process; they share the device, and "
    "divide the CPU cores among them.",
)
@click.option(
    "--keep-checkpoints",
    type=Name("--keep-checkpoints", KEEP),
    default=NONE,
    show_default=True,
    help="Checkpoints to keep of a finished row: one for each epoch; the last, which "
    "'kerasnets fit ... --resume' with more --epochs needs; or none.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for rows that other processes run, and take over those that they leave "
    "unfinished.",
)
@execution_options()
@click.option("-q", "--quiet", is_flag=True, help="Print one line for each row.")
def reproduce(
    rows: tuple[str, ...],
    scale: str | None,
    seeds: int | None,
    out: Path | None,
    reconciled_row: str | None,
    dry_run: bool,
    jobs: int,
    keep_checkpoints: str,
    wait: bool,
    execution: "Execution",
    quiet: bool,
    **assumptions: Any,
) -> int:
    """Run the paper's study again.

    Trains and evaluates the nine rows of the paper's Tables 1 and 2, or only those
    named (--dry-run lists the names), and writes results.md, results.csv, results.json
    and report.html with the paper's numbers next to ours. Repeat the command to
    continue after an interruption. Processes and machines that share the folder share
    the rows. The exit status is 1 if a row failed.

    The recipe options (--momentum, ...) set what the paper does not state.

    \b
    Examples:
      kerasnets reproduce --scale smoke
      kerasnets reproduce --scale paper mnist-densenet121 --dry-run
      kerasnets reproduce --scale paper --seeds 3
      kerasnets reproduce --scale paper --jobs 9 --device cuda
      kerasnets reproduce --scale paper --reconcile cifar10-resnet34-modified
    """
    if rows and reconciled_row:
        raise click.UsageError(
            f"--reconcile names its row itself; leave {rows[0]} out.",
            click.get_current_context(),
        )
    if dry_run:
        for option, given in (
            ("--jobs", jobs > 1),
            ("--wait", wait),
            ("--data-dir", execution.data_dir is not None),
            ("--quiet", quiet),
            ("--keep-checkpoints", keep_checkpoints != NONE),
        ):
            if given:
                raise click.UsageError(
                    f"{option} has no effect with --dry-run, which trains nothing."
                )
    from kerasnets.paper.plan import chosen_rows, plan
    from kerasnets.paper.reconciliation.alternatives import reconciliation

    named = {name: value for name, value in assumptions.items() if value is not None}
    study = plan(out, scale=scale, seeds=seeds, assumptions=named)
    planned = reconciliation(study, reconciled_row) if reconciled_row else None

    from kerasnets.cli.study.tables import print_estimates, print_study

    if dry_run:
        from kerasnets.paper.reproduction.estimate import estimate

        chosen = chosen_rows(study, rows)
        own = [one for one in study.runs if one.row in chosen]
        left = estimate(
            planned.all_runs if planned else own,
            execution=execution,
            say=partial(click.echo, err=True),
        )
        print_estimates(study, left)
        return 0

    from kerasnets.paper.reproduction.reproduce import reproduce as run
    from kerasnets.report.page import write_study_page

    def write_page() -> None:
        write_study_page(study, execution.data_dir, partial(click.echo, err=True))

    settings: dict[str, Any] = {
        "execution": execution,
        "jobs": jobs,
        "keep_checkpoints": keep_checkpoints,
        "wait": wait,
        "verbosity": 0 if quiet else 1,
        "say": click.echo,
        "ended": write_page,
    }
    try:
        if planned:
            return _reconcile(planned, settings)
        results = run(study, rows, **settings)
    except KeyboardInterrupt as error:
        error.add_note("repeat the command to continue the study")
        raise
    print_study(results)
    click.echo(f"results are in {shown(study.path / 'results.md')}")
    failed = [one for one in results.failed if not rows or one.row in rows]
    for one in failed:
        click.echo(
            f"kerasnets: {one.row}, seed {one.seed}, failed: {line(one.failure)}",
            err=True,
        )
    return 1 if failed else 0


def _reconcile(planned: "Reconciliation", settings: dict[str, Any]) -> int:
    """Run it, print the findings and return the exit status."""
    from kerasnets.cli.tables import print_table
    from kerasnets.paper.outcomes import FAILED
    from kerasnets.paper.reconciliation.reconcile import reconcile
    from kerasnets.paper.reconciliation.table import findings_table

    found = reconcile(planned, **settings)
    print_table(findings_table(found))
    click.echo(f"\n{found.conclusion}")
    click.echo(f"results are in {shown(planned.path / 'reconcile.md')}")
    runs = [one.name for one in planned.all_runs]
    failed = [
        (name, one.failure)
        for name, one in zip(runs, found.outcomes, strict=True)
        if one.state == FAILED
    ]
    for name, failure in failed:
        click.echo(f"kerasnets: {name} failed: {line(failure)}", err=True)
    return 1 if failed else 0
