"""kerasnets networks: what can be trained."""

import click


@click.command()
def networks() -> None:
    """List the networks with their size, depth and options.

    \b
    Example:
      kerasnets networks
    """
    from kerasnets.cli.tables import networks_table
    from kerasnets.console import console

    console().print(networks_table())
