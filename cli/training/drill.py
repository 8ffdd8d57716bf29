"""kerasnets drill: kill training at random and resume it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnets.catalog.networks import NETWORKS
from kerasnets.cli.options import Name, execution_options

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution


@click.command()
@click.argument(
    "network", metavar="[NETWORK]", default="resnet18", type=Name("network", NETWORKS)
)
@click.option(
    "--kills",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Processes to kill.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the kill times.",
)
@execution_options(data=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the runs in this folder.  [default: a temporary one]",
)
def drill(
    network: str, kills: int, seed: int, execution: "Execution", out: Path | None
) -> int:
    """Kill training at random and resume it.

    Trains NETWORK (resnet18 by default) for a few steps on the digits, twice, then
    again in processes that are killed at random times and resumed, and compares the
    weights and records bit by bit. The exit status is 1 if any differ.

    \b
    Example:
      kerasnets drill densenet121 --kills 20
    """
    import tempfile

    from kerasnets.cli.tables import print_table
    from kerasnets.text import Table
    from kerasnets.training.drill import default_recipe
    from kerasnets.training.drill import drill as kill_and_compare

    with tempfile.TemporaryDirectory(prefix="kerasnets-drill-") as temporary:
        result = kill_and_compare(
            default_recipe(network),
            out or Path(temporary),
            kills=kills,
            seed=seed,
            execution=execution,
            say=lambda line: click.echo(line, err=True),
        )
    rows = []
    for name in result.again.same:
        compared = (result.again, *result.killed)
        differ = [run.path.name for run in compared if not run.same[name]]
        rows.append((name, f"DIFFERS in {', '.join(differ)}" if differ else "same"))
    heading = "with the run that was not killed"
    print_table(Table(("compared", heading), tuple(rows), words=(heading,)))
    runs = f"{len(result.killed)} run{'s' * (len(result.killed) > 1)}"
    if result.passed:
        verdict = "every bit is the same"
    elif all(result.again.same.values()):
        verdict = "they DIFFER"
    else:
        verdict = "they DIFFER, as do two runs that were not killed"
    click.echo(
        f"{result.kills} kills in {runs}, compared with a run that was not killed: "
        f"{verdict}."
    )
    return 0 if result.passed else 1
