"""kerasnets runs: the runs in a folder, and their state."""

import dataclasses
import json
from pathlib import Path

import click

from kerasnets.console import line


@click.command()
@click.argument(
    "folder",
    metavar="[DIR]",
    default=Path("artifacts/runs"),
    type=click.Path(path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in a folder.

    DIR is artifacts/runs by default; its subfolders are searched too. A run is
    running, interrupted ('kerasnets fit ... --resume' continues it), complete, stopped
    early (by a callback), or corrupt (a file cannot be read).

    \b
    Examples:
      kerasnets runs
      kerasnets runs artifacts/study/quick --json
    """
    from kerasnets.errors import shown
    from kerasnets.runs.status import CORRUPT, states

    found = states(folder)
    if as_json:
        rows = [{**dataclasses.asdict(one), "path": str(one.path)} for one in found]
        click.echo(json.dumps(rows, indent=2))
        return

    from kerasnets.cli.runs.tables import print_runs

    print_runs(folder, found)
    for one in found:
        if one.why:
            # The reason why a run is corrupt names the file itself.
            name = "" if one.state == CORRUPT else f"{shown(one.path)}: "
            click.echo(f"{one.state}: {name}{line(one.why)}")
