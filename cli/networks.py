"""kerasnets networks: what can be trained."""

import click


@click.command()
def networks() -> None:
    """List the networks with their size, depth and options.

    \b
    Example:
      kerasnets networks
    """
    from rich.console import Console

    from kerasnets.cli.tables import networks_table

    Console(highlight=False).print(networks_table())
