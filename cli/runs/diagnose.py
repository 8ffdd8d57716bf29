"""kerasnets diagnose: why a network does not learn."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnets.cli.options import (
    architecture_options,
    dataset_option,
    execution_options,
    network_argument,
    recipe_of,
    step_options,
)
from kerasnets.errors import shown

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution


@click.command()
@network_argument
@dataset_option
@architecture_options
@step_options
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Optimizer steps that each variant trains.",
)
@click.option(
    "--ablate",
    is_flag=True,
    help="Try every combination of batch norm, Glorot and momentum: eight trials.",
)
@click.option(
    "--ablate-lr",
    "learning_rates",
    type=float,
    multiple=True,
    metavar="RATE",
    help="With --ablate, a further learning rate to try; may be repeated.",
)
@execution_options()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: artifacts/diagnoses/ and a name made from "
    "the recipe]",
)
@click.option("--overwrite", is_flag=True, help="Replace the diagnosis if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def diagnose(
    network: str,
    dataset: str,
    steps: int,
    ablate: bool,
    learning_rates: tuple[float, ...],
    execution: "Execution",
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find why a network does not learn.

    Trains the original network, the modified one (batch norm and Glorot), and the one
    that the options describe, for a few steps. Measures the signal and the gradient of
    every layer before and after, and explains the result.

    \b
    Examples:
      kerasnets diagnose vgg19 --dataset mnist
      kerasnets diagnose vgg19 --dataset mnist --ablate --steps 300
      kerasnets diagnose vgg11 --head compact --dataset digits --steps 30
    """
    if learning_rates and not ablate:
        raise click.UsageError("--ablate-lr needs --ablate.")
    epochs_named = options["epochs"] is not None
    recipe = recipe_of(network, dataset, options, execution.data_dir)
    if epochs_named and recipe.schedule == "constant":
        raise click.UsageError(
            "--epochs has no effect: diagnose trains --steps, and a constant schedule "
            "has no length."
        )
    if recipe.learning_rate in learning_rates:
        raise click.UsageError(
            f"--ablate-lr {recipe.learning_rate:g} is tried anyway; name another."
        )

    from kerasnets.diagnosis import diagnose as study

    folder = out or study.DEFAULT_ROOT / recipe.name
    try:
        diagnosis = study.diagnose(
            recipe,
            folder,
            steps=steps,
            ablate=ablate,
            learning_rates=learning_rates,
            overwrite=overwrite,
            execution=execution,
            say=lambda line: click.echo(line, err=True),
        )
    except KeyboardInterrupt as error:
        error.add_note(f"finished trials are in {shown(folder)}")
        raise
    if as_json:
        click.echo(json.dumps(diagnosis.to_json(), indent=2))
        return

    from kerasnets.cli.tables import print_page
    from kerasnets.diagnosis.summary import page

    print_page(page(diagnosis))
    click.echo(f"results and figures are in {shown(folder)}")
