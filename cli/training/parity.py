"""kerasnets parity: compare the installed backends."""

import json

import click

from kerasnets.catalog.networks import NETWORKS
from kerasnets.cli.options import Name


@click.command()
@click.argument(
    "networks", metavar="[NETWORK]...", nargs=-1, type=Name("network", NETWORKS)
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def parity(networks: tuple[str, ...], as_json: bool) -> int:
    """Check that the installed backends compute the same.

    Runs the networks (by default the paper's three) with the same seed under each
    backend, each in its own process: initial weights, logits, ten training steps,
    evaluation. In float32 on the CPU, without dropout, with learning rate 1e-5 and
    residual branches scaled by 0.1, because with its initial weights a deep ResNet
    amplifies rounding errors by orders of magnitude per step. The exit status is 1 if
    backends disagree.

    \b
    Example:
      kerasnets parity resnet34
    """
    from kerasnets import parity as backends
    from kerasnets.cli.training.tables import parity_line

    printed: list[backends.Row] = []

    def tell(row: backends.Row) -> None:
        if not as_json:
            if not printed:
                click.echo(parity_line())
            click.echo(parity_line(row))
        printed.append(row)

    result = backends.parity(
        networks or backends.PAPER_NETWORKS,
        say=lambda line: click.echo(line, err=True),
        tell=tell,
    )
    status = 0 if result.agrees else 1
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
        return status

    named = [f"{name} {version}" for name, version in result.versions.items()]
    click.echo(
        f"largest differences between {named[0]} and {', '.join(named[1:])}; backends "
        f"agree up to {backends.LOGITS:.0e} (logits), {backends.LOSS:.0e} "
        f"(loss of {backends.STEPS} steps) and {backends.EVALUATION:.0e} (evaluation)"
    )
    if result.not_installed:
        click.echo(f"not installed: {', '.join(result.not_installed)}")
    click.echo("the backends agree." if result.agrees else "the backends DISAGREE.")
    return status
