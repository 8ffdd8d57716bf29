"""kerasnets datasets: what can be trained on."""

from pathlib import Path

import click

from kerasnets.cli.options import data_dir_option


@click.command()
@data_dir_option
def datasets(data_dir: Path | None) -> None:
    """List the datasets with their state and facts.

    \b
    Example:
      kerasnets datasets
    """
    from kerasnets.cli.tables import datasets_table
    from kerasnets.console import console

    console().print(datasets_table(data_dir))
