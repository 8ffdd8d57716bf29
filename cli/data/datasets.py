"""kerasnets datasets: the datasets that are known by name."""

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
    from kerasnets.catalog.locations import data_folder_if_any
    from kerasnets.cli.tables import print_table
    from kerasnets.datasets import listing
    from kerasnets.text import Table, number

    rows = []
    for known in listing.states(data_dir):
        size = known.image_size
        colors = {1: "grey", 3: "RGB"}.get(known.channels or 0)
        mb = f" ({known.download_mb} MB)" if known.download_mb else ""
        rows.append(
            (
                known.name,
                known.state + mb,
                number(known.train, ","),
                number(known.test, ","),
                f"{size}×{size} {colors}" if size else "",
                number(known.classes, ","),
            )
        )
    folder = data_folder_if_any(data_dir)
    print_table(
        Table(
            ("name", "state", "train", "test", "images", "classes"),
            tuple(rows),
            words=("state",),
        ),
        f"Prepared datasets are looked for in {folder}."
        if folder
        else "There is no home folder: set TFDS_DATA_DIR to the datasets' folder.",
    )
