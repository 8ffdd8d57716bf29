"""kerasnets evaluate: measure a trained run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnets.cli.options import execution_options, say_data_dir
from kerasnets.errors import shown

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Images to evaluate; test results are written to the run folder itself.",
)
@click.option(
    "--first-batch",
    is_flag=True,
    help="Also the confusion matrix of the first batch (the paper's Figure 10).",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Maximum images in a step; affects only the speed.",
)
@execution_options()
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def evaluate(
    run: Path | None,
    split: str,
    first_batch: bool,
    batch_size: int,
    execution: "Execution",
    as_json: bool,
) -> None:
    """Measure a trained run.

    RUN is a run folder, or the name of one under artifacts/runs; the newest by
    default.

    Writes metrics.json, confusion_matrix, per_class, predictions, examples and curves
    into the run folder.

    \b
    Examples:
      kerasnets evaluate
      kerasnets evaluate artifacts/runs/mnist-vgg19-bn --first-batch
      kerasnets evaluate mnist-vgg19-bn --split validation --json
    """
    from kerasnets import runs

    chosen = runs.newest() if run is None else runs.load(run)

    say_data_dir(chosen.recipe.dataset, execution.data_dir)
    from kerasnets.evaluation.evaluate import evaluate as measure
    from kerasnets.figures import draw_evaluation

    metrics = measure(
        chosen,
        split=split,
        first_batch=first_batch,
        batch_size=batch_size,
        execution=execution,
    )
    draw_evaluation(chosen, split, data_dir=execution.data_dir)
    if as_json:
        click.echo(json.dumps(metrics, indent=2))
        return

    from kerasnets.cli.runs.tables import print_evaluation

    print_evaluation(chosen, metrics)
    click.echo(f"results and figures are in {shown(chosen.results_folder(split))}")
