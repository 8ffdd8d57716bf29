"""kerasnets card: a model card of a run."""

from pathlib import Path

import click

from kerasnets.cli.options import check_out
from kerasnets.errors import RunError, shown


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write to this new file instead of standard output.",
)
def card(run: Path, out: Path | None) -> None:
    """Print a model card of a run in the Hugging Face Hub's format.

    RUN is a run folder, or the name of one under artifacts/runs. An evaluated run's
    card has its metrics with intervals, overall and by class.

    \b
    Example:
      kerasnets card mnist-vgg19-bn --out README.md
    """
    from kerasnets import runs

    chosen = runs.load(run)
    if out is not None:
        if out.exists():
            raise RunError(f"{shown(out)} exists; choose another --out.")
        check_out(out)
    from kerasnets.inference.card import model_card
    from kerasnets.storage.files import write_text

    written = model_card(chosen)
    if out is None:
        click.echo(written, nl=False)
    else:
        write_text(out, written)
