"""kerasnets compare: several runs side by side."""

import json
from pathlib import Path

import click

from kerasnets.errors import shown


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: artifacts/comparisons/ and the runs' "
    "names]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(names: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Compare runs by their records.

    RUN is a run folder, a folder of runs, a pattern of either, or the name of a run
    under artifacts/runs. Neither weights nor data are needed.

    Writes tables (Markdown, CSV, JSON) and figures (PNG, SVG): validation curves by
    epoch and by time, accuracies with their intervals, cost and speed, McNemar's test
    of every pair, and accuracy against cost.

    \b
    Examples:
      kerasnets compare mnist-resnet34 mnist-densenet121
      kerasnets compare artifacts/study/quick --out artifacts/comparisons/quick
      kerasnets compare 'artifacts/runs/cifar10-*' --json
    """
    from kerasnets.comparison.compare import compare as compare_runs
    from kerasnets.comparison.files import COMPARISONS, write_comparison
    from kerasnets.runs.find import find_runs
    from kerasnets.storage.folders import folder_name

    comparison = compare_runs(find_runs(names))
    name = folder_name([row.label for row in comparison.rows], "-vs-")
    folder = out or COMPARISONS / name
    write_comparison(comparison, folder)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2))
        return

    from kerasnets.cli.tables import print_page
    from kerasnets.comparison.pages import comparison_page

    print_page(comparison_page(comparison))
    click.echo(f"tables and figures are in {shown(folder)}")
