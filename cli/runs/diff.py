"""kerasnets diff: what is different between two runs."""

import json
from pathlib import Path

import click

from kerasnets.cli.options import data_dir_option
from kerasnets.errors import shown


@click.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: artifacts/differences/ and the runs' "
    "names]",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
def diff(
    first: str, second: str, out: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Show what differs between two runs.

    FIRST and SECOND are run folders, or names of runs under artifacts/runs.

    Compares recipes, machines, data, the time to each validation accuracy, and the
    predictions for the same test images. Writes Markdown, JSON, CSV and figures; the
    images on which the two disagree need the dataset.

    \b
    Example:
      kerasnets diff mnist-vgg19 mnist-vgg19-bn-glorot
    """
    from kerasnets.comparison.diff import diff as find_difference
    from kerasnets.comparison.files import DIFFERENCES, write_difference
    from kerasnets.errors import RunError
    from kerasnets.runs.find import find_runs
    from kerasnets.storage.folders import folder_name

    pair = []
    for name in (first, second):
        found = find_runs([name])
        if len(found) > 1:
            raise RunError(f"{name} holds {len(found)} runs; name one of them.")
        pair += found
    difference = find_difference(*pair)
    name = folder_name([difference.first, difference.second], "-vs-")
    folder = out or DIFFERENCES / name
    difference = write_difference(difference, folder, data_dir)
    if as_json:
        click.echo(json.dumps(difference.to_json(), indent=2))
        return

    from kerasnets.cli.tables import print_page
    from kerasnets.comparison.pages import difference_page

    print_page(difference_page(difference))
    click.echo(f"tables and figures are in {shown(folder)}")
