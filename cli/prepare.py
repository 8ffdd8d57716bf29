"""kerasnets prepare: download a dataset."""

from pathlib import Path

import click

from kerasnets.cli.options import Name, data_dir_option
from kerasnets.datasets.specs import DATASETS


@click.command()
@click.argument("dataset", type=Name("dataset", DATASETS, strict=False))
@data_dir_option
def prepare(dataset: str, data_dir: Path | None) -> None:
    """Download DATASET, check it, and write it as a TFDS folder; training does this
    by itself when it first needs to.

    \b
    Example:
      kerasnets prepare mnist
    """
    from kerasnets.datasets.prepare import prepare as download

    folder = download(dataset, data_dir=data_dir)
    click.echo(f"{dataset} is prepared: {folder}")
