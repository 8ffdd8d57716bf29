"""kerasnets inspect: check the images of a dataset."""

import json
from pathlib import Path

import click

from kerasnets.catalog.datasets import DATASETS
from kerasnets.cli.options import Name, data_dir_option, say_data_dir
from kerasnets.errors import shown


@click.command()
@click.argument(
    "dataset", metavar="DATASET", type=Name("dataset", DATASETS, strict=False)
)
@data_dir_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write.  [default: artifacts/inspections/ and the dataset's name]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def inspect(
    ctx: click.Context,
    dataset: str,
    data_dir: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Check a dataset before training.

    DATASET is a name, or the path of a folder or a manifest of images. Every image is
    read. The report covers classes, sizes, formats, unreadable files, duplicates, and
    the mean image of each class. The exit status is 1 if a file cannot be read, a class
    is empty, or two classes contain the same image.

    \b
    Examples:
      kerasnets inspect ./photos
      kerasnets inspect photos.csv --json
      kerasnets inspect mnist
    """
    from kerasnets.figures.inspection import write_inspection

    say_data_dir(dataset, data_dir)
    found, folder = write_inspection(dataset, out, data_dir=data_dir)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        from kerasnets.cli.tables import print_page
        from kerasnets.figures.inspection import page

        print_page(page(found))
        click.echo(f"findings and the mean images are in {shown(folder)}")
    if found.broken:
        ctx.exit(1)
