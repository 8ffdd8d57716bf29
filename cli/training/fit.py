"""kerasnets fit: train a network."""

from pathlib import Path
from typing import Any

import click

from kerasnets.cli import BEGAN
from kerasnets.cli.options import (
    Name,
    architecture_options,
    data_dir_option,
    dataset_option,
    device_option,
    engine_option,
    network_argument,
    recipe_of,
    training_options,
)
from kerasnets.runs import KEEP


@click.command()
@network_argument
@dataset_option
@architecture_options
@training_options
@device_option
@engine_option
@click.option(
    "--deterministic",
    is_flag=True,
    help="The same bits every time, also on an accelerator, where it costs speed.",
)
@data_dir_option
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
    help="How often the validation confusion is recorded.",
)
@click.option(
    "--checkpoint-every",
    default="300s",
    show_default=True,
    metavar="STEPS|SECONDS",
    help="How often a checkpoint is made inside an epoch: 200, or 90s.",
)
@click.option(
    "--keep-checkpoints",
    type=Name("--keep-checkpoints", KEEP),
    help="Which stay once training has finished: one for each epoch; the last, which "
    "raising --epochs needs; or none.  [default: last]",
)
@click.option("-v", "--verbose", is_flag=True, help="More lines.")
@click.option("-q", "--quiet", is_flag=True, help="Warnings only.")
def fit(
    network: str,
    dataset: str,
    device: str,
    engine: str,
    deterministic: bool,
    data_dir: Path | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    confusion_every: int,
    checkpoint_every: str,
    keep_checkpoints: str | None,
    verbose: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network.

    Every option that is not named has the paper's value for the network and dataset.

    \b
    Examples:
      kerasnets fit vgg19 --bn --glorot --dataset mnist
      kerasnets fit resnet34 --dropout 0.2 --glorot --dataset cifar10 --resume
      kerasnets fit densenet121 --dataset mnist --limit 6000 --epochs 2
    """
    if verbose and quiet:
        raise click.UsageError("--verbose contradicts --quiet.")
    if resume and overwrite:
        raise click.UsageError("--resume contradicts --overwrite.")
    from kerasnets.training.checkpointing import Interval

    interval = Interval.parse(checkpoint_every)
    recipe = recipe_of(network, dataset, options, data_dir)

    from kerasnets.compute.execution import Execution
    from kerasnets.training.fit import fit as train

    run = train(
        recipe,
        out,
        resume=resume,
        overwrite=overwrite,
        execution=Execution(device, engine, data_dir, deterministic),
        confusion_every=confusion_every,
        checkpoint_every=interval,
        keep_checkpoints=keep_checkpoints,
        verbosity=0 if quiet else 2 if verbose else 1,
        began=BEGAN,
    )

    from kerasnets.errors import command
    from kerasnets.figures import draw_training

    draw_training(run)
    if not quiet:
        click.echo(f"next: {command('kerasnets', 'evaluate', run.path)}")
