"""kerasnets compare: several runs beside each other."""

import json
from pathlib import Path

import click

from kerasnets.console import line
from kerasnets.errors import shown


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: artifacts/comparisons/ and the runs' "
    "names]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison alone.")
def compare(names: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Compare runs by their records.

    RUN is a run folder, a folder of runs, a pattern of either, or the name of a run
    under artifacts/runs. Neither weights nor data are needed.

    Writes tables (Markdown, CSV, JSON) and figures (PNG, SVG): validation curves by
    epoch and by time, accuracies with their intervals, cost and speed, McNemar's tests
    of every pair, and accuracy against cost.

    \b
    Examples:
      kerasnets compare mnist-resnet34 mnist-densenet121
      kerasnets compare artifacts/study/quick --out artifacts/comparisons/quick
      kerasnets compare 'artifacts/runs/cifar10-*' --json
    """
    from kerasnets.comparison.compare import compare as compare_runs
    from kerasnets.comparison.compare_files import DEFAULT_ROOT, write_comparison
    from kerasnets.runs.find import find_runs
    from kerasnets.storage.folders import folder_name

    comparison = compare_runs(find_runs(names))
    name = folder_name([row.label for row in comparison.rows], "-vs-")
    folder = out or DEFAULT_ROOT / name
    write_comparison(comparison, folder)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2))
        return

    from kerasnets.cli.tables import print_table
    from kerasnets.comparison.compare_page import (
        accuracy_table,
        cost_table,
        front_lines,
        pairs_table,
    )

    tables = accuracy_table(comparison), cost_table(comparison), pairs_table(comparison)
    for table in tables:
        if table.rows:
            print_table(table)
    for note in comparison.notes:
        click.echo(f"note: {line(note)}")
    for front in front_lines(comparison):
        click.echo(f"best accuracy for its {line(front)}")
    click.echo(f"tables and figures are in {shown(folder)}")
