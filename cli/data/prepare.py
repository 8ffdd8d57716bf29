"""kerasnets prepare: download a dataset."""

from pathlib import Path

import click

from kerasnets.catalog.datasets import DATASETS
from kerasnets.cli.options import Name, data_dir_option
from kerasnets.errors import shown


@click.command()
@click.argument(
    "dataset", metavar="DATASET", type=Name("dataset", DATASETS, strict=False)
)
@data_dir_option
def prepare(dataset: str, data_dir: Path | None) -> None:
    """Download a dataset.

    Checks it and writes it as a TFDS folder. Training does this by itself when it first
    needs the dataset.

    \b
    Example:
      kerasnets prepare mnist
    """
    from kerasnets.datasets.download.prepare import prepare as download

    folder = download(dataset, data_dir=data_dir)
    click.echo(f"{dataset} is prepared: {shown(folder)}")
