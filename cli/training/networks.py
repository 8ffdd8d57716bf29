"""kerasnets networks: the networks, with their size and options."""

import click


@click.command()
def networks() -> None:
    """List the networks with their size, depth and options.

    \b
    Example:
      kerasnets networks
    """
    from kerasnets.catalog.networks import NETWORKS
    from kerasnets.cli.tables import print_table
    from kerasnets.recipe import SETTINGS
    from kerasnets.recipe.setting import NETWORK
    from kerasnets.text import Table

    options = [one for one in SETTINGS.values() if one.group == NETWORK and one.paper]
    rows = []
    for name, spec in NETWORKS.items():
        counts = [f"{count:,}" for count in spec.parameters]
        counts[spec.batch_norm] += "*"
        own = " ".join(one.flag for one in options if spec.family in one.families)
        rows.append((name, str(spec.depth), *counts, own))
    columns = ("name", "depth", "parameters without bn", "with bn", "own options")
    *some, last = (one.flags for one in options if not one.families)
    print_table(
        Table(columns, tuple(rows), words=("own options",)),
        "Trainable parameters for 10 classes and 3 channels; * the original network. "
        f"All take {', '.join(some)} and {last}.",
    )
