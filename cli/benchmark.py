"""kerasnets benchmark: speed beside plain PyTorch."""

import json
from pathlib import Path

import click

from kerasnets.cli.options import Name, device_option
from kerasnets.networks.specs import NETWORKS

_PAPER = ("resnet34", "densenet121", "vgg19")


@click.command()
@click.argument(
    "networks", metavar="[NETWORK]...", nargs=-1, type=Name("network", NETWORKS)
)
@click.option(
    "--batch-size",
    "batch_sizes",
    type=click.IntRange(min=2),
    multiple=True,
    default=(64,),
    show_default=True,
    help="Images in a training step; may be repeated.",
)
@click.option(
    "--inference-batch-size",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
)
@click.option(
    "--against",
    default="torchvision,keras",
    show_default=True,
    metavar="NAMES",
    help="What to compare with, separated by commas.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=7,
    show_default=True,
    help="Interleaved repetitions.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("artifacts/benchmark"),
    show_default=True,
    help="Folder for NETWORK.json and speeds.png.",
)
@click.option(
    "--profile",
    "profiled",
    is_flag=True,
    help="Also NETWORK-profile.csv: the time of each operation in a training step.",
)
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the results alone.")
def benchmark(
    networks: tuple[str, ...],
    batch_sizes: tuple[int, ...],
    inference_batch_size: int,
    against: str,
    rounds: int,
    out: Path,
    profiled: bool,
    device: str,
    as_json: bool,
) -> None:
    """Compare speed and memory with plain PyTorch.

    Times training steps and inference of the networks (the paper's three unless named)
    on an otherwise idle machine. Each contender has a process of its own, and they take
    turns. Where torchvision cannot be imported, its networks written in plain PyTorch
    stand in for it.

    \b
    Example:
      kerasnets benchmark resnet34 --batch-size 64 --batch-size 128
    """
    from kerasnets.benchmark.report import benchmark as compare
    from kerasnets.figures import draw_benchmark

    reports = compare(
        networks or _PAPER,
        batch_sizes=batch_sizes,
        inference_batch_size=inference_batch_size,
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        rounds=rounds,
        device=device,
        folder=out,
        profiled=profiled,
        say=lambda line: click.echo(line, err=True),
    )
    draw_benchmark(reports, out / "speeds.png")
    if as_json:
        click.echo(json.dumps(reports, indent=2))
        return

    from rich.console import Console

    from kerasnets.cli.tables import benchmark_table

    environment = reports[0]["environment"]
    click.echo(
        f"{environment['device_name']}, {environment['threads']} threads, "
        f"{environment['backend']} {environment['packages'][environment['backend']]}; "
        f"compared with {reports[0]['torchvision_is']}"
    )
    Console(highlight=False).print(benchmark_table(reports))
    click.echo(f"results are in {out}")
