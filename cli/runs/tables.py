"""What the commands for runs print."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kerasnets import text
from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.cli.tables import print_table
from kerasnets.console import line
from kerasnets.runs import Run
from kerasnets.runs.results import (
    PER_CLASS,
    THRESHOLDS,
    read_per_class,
    read_thresholds,
)
from kerasnets.runs.status import (
    COMPLETE,
    CORRUPT,
    INTERRUPTED,
    RUNNING,
    STOPPED,
    RunState,
)
from kerasnets.text import duration, file_size

_COLORS = {
    RUNNING: "cyan",
    INTERRUPTED: "yellow",
    COMPLETE: "green",
    STOPPED: "green",
    CORRUPT: "bold red",
}


def print_runs(root: Path, states: Sequence[RunState]) -> None:
    columns = ("run", "state", "epochs", "best", "last", "test", "time", "size")
    rows = []
    for one in states:
        name = one.path.relative_to(root).as_posix()
        rows.append(
            (
                one.path.name if name == "." else name,
                one.state,
                "" if one.epochs is None else f"{one.epochs_done}/{one.epochs}",
                text.percent(one.best_val_accuracy),
                text.percent(one.last_val_accuracy),
                text.percent(one.test_accuracy),
                "" if one.seconds is None else duration(one.seconds),
                file_size(one.size),
            )
        )
    sizes = file_size(sum(one.size for one in states))
    checkpoints = sum(one.checkpoints_size for one in states)
    if checkpoints:
        sizes += f", of which {file_size(checkpoints)} are checkpoints"
    print_table(
        text.Table(columns, tuple(rows), words=("state",)),
        f"{len(states)} run{'s' * (len(states) != 1)} in {root}: {sizes}. "
        "Accuracy on the monitored images in the best and the last epoch and, once "
        "evaluated, on the test split; time of training and validation.",
        styles=_COLORS,
    )


def metrics_lines(run: Run, metrics: dict[str, Any]) -> list[str]:
    """Loss, accuracies and notes of an evaluation, one line each."""
    recipe = run.recipe
    title = network_title(recipe.network, batch_norm=recipe.batch_norm)
    lines = [
        f"{title} on {dataset_title(recipe.dataset)}, {metrics['split']} split "
        f"({metrics['images']:,} images)",
        f"accuracy {metrics['accuracy']:.2%}, loss {metrics['loss']:.4f}",
    ]
    if recipe.weights is not None:
        lines[0] += f", trained from the weights of {recipe.start}"
    if metrics["top5_accuracy"] is not None:
        lines[1] += f", top-5 accuracy {metrics['top5_accuracy']:.2%}"
    lines.append(
        f"balanced accuracy {metrics['balanced_accuracy']:.2%}, macro F1 "
        f"{metrics['macro_f1']:.4f}"
    )
    if metrics["positive_class"] is not None:
        auc, precision = (
            "none" if metrics[name] is None else f"{metrics[name]:.4f}"
            for name in ("roc_auc", "average_precision")
        )
        lines.append(
            f"ROC AUC {auc}, average precision {precision} of class "
            f"{metrics['positive_class']!r}"
        )
    if metrics["first_batch"]:
        first = metrics["first_batch"]
        lines.append(
            f"first batch: accuracy {first['accuracy']:.2%} ({first['images']} images)"
        )
    if metrics["dataset_note"]:
        lines.append(f"note: {line(metrics['dataset_note'])}")
    if metrics["collapsed"]:
        collapsed = metrics["collapsed"]
        lines.append(
            f"collapsed: {collapsed['share']:.1%} of the predictions are class "
            f"{collapsed['class']!r}"
        )
    return lines


def per_class_table(run: Run, split: str) -> text.Table:
    """Precision, recall and F1 of each class."""
    return text.Table(
        ("class", "precision", "recall", "F1", "images"),
        tuple(
            (name, *(f"{share:.3f}" for share in shares), str(support))
            for name, *shares, support in read_per_class(
                run.results_folder(split) / PER_CLASS.file
            )
        ),
    )


def print_evaluation(run: Run, metrics: dict[str, Any]) -> None:
    """Print an evaluation, and the numbers of each class."""
    for one in metrics_lines(run, metrics):
        click.echo(one)
    table = per_class_table(run, metrics["split"])
    more = len(table.rows) - _CLASSES_SHOWN
    print_table(
        dataclasses.replace(table, rows=table.rows[:_CLASSES_SHOWN]),
        f"{more} more classes in {PER_CLASS.file}" if more > 0 else "",
    )
    if metrics["positive_class"] is None:
        return
    columns = ("threshold", "precision", "recall", "specificity", "F1", "predicted")
    found = read_thresholds(run.results_folder(metrics["split"]) / THRESHOLDS.file)
    rows = tuple(
        (f"{threshold:.2f}", *(f"{share:.3f}" for share in shares), str(predicted))
        for threshold, *shares, predicted in found
    )
    print_table(
        text.Table(columns, rows),
        f"An image counts as {metrics['positive_class']} from this probability on.",
    )


_CLASSES_SHOWN = 20
