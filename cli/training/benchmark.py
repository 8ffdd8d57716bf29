"""kerasnets benchmark: speed compared with plain PyTorch."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from kerasnets.catalog.networks import NETWORKS
from kerasnets.cli.options import Name, execution_options
from kerasnets.errors import shown
from kerasnets.recipe.fields import PRECISIONS

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution

_DATA, _PREDICT = "data", "predict"
# The options of those two, which compare something else.
_OF = {
    _DATA: ("networks", "batch_sizes", "rounds", "out", "as_json"),
    _PREDICT: (
        *("networks", "inference_batch_size", "image_size", "rounds", "out", "as_json"),
        *("device", "engine", "compiled", "threads", "deterministic"),
    ),
}
_PAPER = ("resnet34", "densenet121", "vgg19")


@click.command()
@click.argument(
    "networks",
    metavar="[NETWORK]...|data|predict",
    nargs=-1,
    type=Name("network", (*NETWORKS, *_OF)),
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
    "--precision",
    "precisions",
    type=Name("precision", PRECISIONS),
    multiple=True,
    default=("float32",),
    show_default=True,
    help="Keras dtype policy, and autocast for torchvision; may be repeated.",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Height and width in pixels; 224 for predict unless named.",
)
@click.option(
    "--against",
    default="torchvision,torchvision-compiled,keras",
    show_default=True,
    metavar="NAMES",
    help="Contenders, separated by commas: these, kerasnets-eager (the engine "
    "torch_graph), and onnxruntime (inference on a CPU, as export writes it).",
)
@click.option(
    "--only",
    type=Name("part", ("train", "inference", "start")),
    multiple=True,
    help="Measure only this; may be repeated.  [default: all]",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Interleaved repetitions.",
)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Start no measurement after this time; the results so far are written.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("artifacts/benchmark"),
    show_default=True,
    help="Folder for NETWORK.json and NETWORK.png.",
)
@click.option(
    "--profile",
    "profiled",
    is_flag=True,
    help="Also NETWORK-profile.csv: the time of each operation in a training step.",
)
@execution_options(data=False)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.pass_context
def benchmark(
    context: click.Context,
    networks: tuple[str, ...],
    batch_sizes: tuple[int, ...],
    inference_batch_size: int,
    precisions: tuple[str, ...],
    image_size: int,
    against: str,
    only: tuple[str, ...],
    rounds: int,
    budget_s: float | None,
    out: Path,
    profiled: bool,
    execution: "Execution",
    as_json: bool,
) -> None:
    """Compare speed and memory with plain PyTorch.

    Times training and inference of the networks (by default the paper's three); the
    machine should be otherwise idle. Ours run through fit's own loop, torchvision's
    through a plain loop that does the same work. Each contender has its own process,
    and they take turns. If torchvision cannot be imported, the same networks in plain
    PyTorch replace it, and the results say so. NETWORK.json is updated after each
    comparison.

    `kerasnets benchmark data` instead compares the decoding and augmentation of
    photographs with torchvision's, with two processes each, and writes data/data.json.
    `kerasnets benchmark predict [NETWORK]` compares `predict` on photographs with the
    network alone, and writes predict/NETWORK-SIZE.json.

    \b
    Example:
      kerasnets benchmark resnet34 --batch-size 64 --batch-size 128
      kerasnets benchmark data
      kerasnets benchmark predict resnet34 --inference-batch-size 64
    """
    if _DATA in networks:
        if len(networks) > 1 or len(batch_sizes) > 1:
            raise click.UsageError(
                f"'benchmark {_DATA}' stands alone, with one --batch-size."
            )
        _check_has_effect(context, _DATA)
        _benchmark_data(batch_sizes[0], rounds, out, as_json)
        return
    if _PREDICT in networks:
        others = [name for name in networks if name != _PREDICT]
        if len(others) > 1:
            raise click.UsageError(f"'benchmark {_PREDICT}' takes one network.")
        _check_has_effect(context, _PREDICT)
        source = context.get_parameter_source("image_size")
        _benchmark_predict(
            others[0] if others else _PAPER[0],
            inference_batch_size,
            image_size if source is ParameterSource.COMMANDLINE else None,
            rounds,
            execution,
            out,
            as_json,
        )
        return
    measured = {*only, *(["profile"] if profiled else [])}
    for parameter, needs in (
        ("batch_sizes", {"train", "start", "profile"}),
        ("inference_batch_size", {"inference"}),
        ("rounds", {"train", "inference"}),
    ):
        source = context.get_parameter_source(parameter)
        if only and source is ParameterSource.COMMANDLINE and not needs & measured:
            option = "batch-size" if parameter == "batch_sizes" else parameter
            raise click.UsageError(
                f"--{option.replace('_', '-')} has no effect with --only "
                f"{' --only '.join(only)}."
            )
    from kerasnets.benchmark.comparison import benchmark as compare
    from kerasnets.benchmark.work import PARTS, stem
    from kerasnets.figures import draw_benchmark

    reports = compare(
        networks or _PAPER,
        batch_sizes=batch_sizes,
        inference_batch_size=inference_batch_size,
        precisions=tuple(dict.fromkeys(precisions)),
        image_size=image_size,
        only=only or PARTS,
        budget_s=budget_s,
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        rounds=rounds,
        execution=execution,
        folder=out,
        profiled=profiled,
        say=lambda line: click.echo(line, err=True),
    )
    for one in reports:
        if one["train"] or one["inference"]:
            name = stem(one["network"], one["image_size"])
            draw_benchmark([one], out / f"{name}.png")
    parts = [part for one in reports for part in (*one["train"], *one["inference"])]
    failures = [part["failed"] for part in parts]
    failures += [names for one in reports for names in one["failed"].values()]
    failed = any("kerasnets" in names for names in failures)
    if as_json:
        click.echo(json.dumps(reports, indent=2))
        context.exit(int(failed))

    from kerasnets.cli.training.tables import print_benchmark

    environment, source = reports[0]["environment"], reports[0]["torchvision_is"]
    click.echo(
        f"{environment['device_name']}, {environment['threads']} threads, "
        f"{environment['backend']} {environment['packages'][environment['backend']]}"
        + (f"; compared with {source}" if source else "")
    )
    print_benchmark(reports)
    click.echo(f"results are in {shown(out)}")
    context.exit(int(failed))


def _check_has_effect(context: click.Context, what: str) -> None:
    for parameter in context.command.params:
        named = context.get_parameter_source(parameter.name or "")
        if named is ParameterSource.COMMANDLINE and parameter.name not in _OF[what]:
            raise click.UsageError(
                f"{parameter.opts[0]} has no effect with 'benchmark {what}'."
            )


def _benchmark_data(batch_size: int, rounds: int, out: Path, as_json: bool) -> None:
    from kerasnets.benchmark.data import FILE, benchmark_data

    report = benchmark_data(
        rounds=rounds,
        batch_size=batch_size,
        folder=out,
        say=lambda line: click.echo(line, err=True),
    )
    found = report["ratio"]
    _print(
        report,
        f"kerasnets is {found['ratio']:.2f} times as fast "
        f"({found['low']:.2f} to {found['high']:.2f}); results are in "
        f"{shown(out / FILE)}",
        as_json=as_json,
    )


def _benchmark_predict(
    network: str,
    batch_size: int,
    image_size: int | None,
    rounds: int,
    execution: "Execution",
    out: Path,
    as_json: bool,
) -> None:
    from kerasnets.benchmark.prediction import SIZE, benchmark_predict, file_of

    report = benchmark_predict(
        network,
        rounds=rounds,
        batch_size=batch_size,
        image_size=image_size or SIZE,
        execution=execution,
        folder=out,
        say=lambda line: click.echo(line, err=True),
    )
    found, memory = report["ratio"], report["memory_mb"]
    lines = [
        f"predict reaches {found['ratio']:.3f} of the network's own rate "
        f"({found['low']:.3f} to {found['high']:.3f})"
    ]
    if memory:
        lines.append(
            f"memory of all processes: {memory['first']:,.0f} MB after the first "
            f"batch, {memory['last']:,.0f} MB after {report['images_read']:,} images"
        )
    lines.append(
        f"results are in {shown(out / file_of(network, report['image_size']))}"
    )
    _print(report, *lines, as_json=as_json)


def _print(report: dict, *lines: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    from kerasnets.text import rate

    for name, found in report["contenders"].items():
        click.echo(f"{name}: {rate(found['images_per_s'])} images/s")
    for line in lines:
        click.echo(line)
