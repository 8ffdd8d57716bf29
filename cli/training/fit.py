"""kerasnets fit: train a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnets.catalog.kept_checkpoints import KEEP
from kerasnets.cli import BEGAN
from kerasnets.cli.options import (
    Name,
    architecture_options,
    dataset_or_recipe_options,
    execution_options,
    recipe_of,
    training_options,
)

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution


@click.command()
@dataset_or_recipe_options
@architecture_options
@training_options
@execution_options()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run folder.  [default: artifacts/runs/ and a name made from the recipe]",
)
@click.option("--resume", is_flag=True, help="Continue the run if it exists.")
@click.option("--overwrite", is_flag=True, help="Replace the run if it exists.")
@click.option(
    "--confusion-every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="EPOCHS",
    help="How often to record the validation confusion matrix.",
)
@click.option(
    "--checkpoint-every",
    default="300s",
    show_default=True,
    metavar="STEPS|SECONDS",
    help="How often to save a checkpoint within an epoch, for example 200 or 90s.",
)
@click.option(
    "--keep-checkpoints",
    type=Name("--keep-checkpoints", KEEP),
    help="Checkpoints to keep after training: one for each epoch; the last, which "
    "raising --epochs needs; or none.  [default: last]",
)
@click.option(
    "--workers",
    type=int,
    metavar="PROCESSES",
    help="Processes that decode and augment batches ahead of the network, from 0 to "
    "64; the batches are the same with any number.  [default: 0; for streamed images "
    "the number of cores, 8 at most]",
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Decode your own images from their files on demand, instead of once into the "
    "cache; the batches are the same.  [default: if neither memory nor "
    "disk has room for the cache, or the run streamed before]",
)
@click.option("-v", "--verbose", is_flag=True, help="Print more.")
@click.option("-q", "--quiet", is_flag=True, help="Print only warnings.")
def fit(
    network: str | None,
    dataset: str | None,
    recipe_file: Path | None,
    execution: "Execution",
    out: Path | None,
    resume: bool,
    overwrite: bool,
    confusion_every: int,
    checkpoint_every: str,
    keep_checkpoints: str | None,
    workers: int | None,
    stream: bool | None,
    verbose: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network.

    Options that are not given have the value of --recipe or --preset; otherwise the
    paper's on its datasets, and on your own images those in docs/your-images.md. They
    are printed before training.

    \b
    Examples:
      kerasnets fit vgg19 --bn --glorot --dataset mnist
      kerasnets fit resnet34 --dropout 0.2 --glorot --dataset cifar10 --resume
      kerasnets fit resnet18 --dataset ./photos --weights imagenet --freeze all-but-head
      kerasnets fit resnet18 --dataset cifar10 --preset modern --epochs 10
      kerasnets fit --recipe artifacts/runs/cifar10-resnet34 --seed 1
    """
    if verbose and quiet:
        raise click.UsageError("--verbose contradicts --quiet.")
    if resume and overwrite:
        raise click.UsageError("--resume contradicts --overwrite.")
    recipe = recipe_of(network, dataset, options, execution.data_dir, recipe_file)

    from kerasnets.training.checkpointing import Interval  # and with it, Keras
    from kerasnets.training.fit import fit as train

    interval = Interval.parse(checkpoint_every)

    run = train(
        recipe,
        out,
        resume=resume,
        overwrite=overwrite,
        execution=execution,
        confusion_every=confusion_every,
        checkpoint_every=interval,
        keep_checkpoints=keep_checkpoints,
        workers=workers,
        stream=stream,
        verbosity=0 if quiet else 2 if verbose else 1,
        began=BEGAN,
    )

    from kerasnets.errors import command
    from kerasnets.figures import draw_training

    draw_training(run)
    if not quiet:
        click.echo(f"next: {command('kerasnets', 'evaluate', run.path)}")
