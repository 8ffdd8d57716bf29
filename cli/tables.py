"""The tables that commands print."""

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from kerasnets.datasets import catalog
from kerasnets.names import network_title
from kerasnets.networks.specs import NETWORKS
from kerasnets.runs import Run, read_csv


def networks_table() -> Table:
    table = Table(
        box=None,
        header_style="bold",
        caption="Trainable parameters with 10 classes and 3 channels, as the paper "
        "defines the network (bold) and with batch norm switched.",
        caption_justify="left",
    )
    for column, justify in (
        ("name", "left"),
        ("depth", "right"),
        ("batch norm off", "right"),
        ("batch norm on", "right"),
        ("options", "left"),
        ("source", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for name, spec in NETWORKS.items():
        off, on = (f"{count:,}" for count in spec.parameters)
        if spec.batch_norm:
            on = f"[bold]{on}[/]"
        else:
            off = f"[bold]{off}[/]"
        options = (
            "--bn --dropout --glorot "
            + {
                "vgg": "--head",
                "resnet": "--stem",
                "densenet": "--stem --growth-rate",
            }[spec.family]
        )
        table.add_row(name, str(spec.depth), off, on, options, spec.source)
    return table


def datasets_table(data_dir: Path | None) -> Table:
    table = Table(box=None, header_style="bold")
    for column, justify in (
        ("name", "left"),
        ("state", "left"),
        ("train", "right"),
        ("test", "right"),
        ("size", "right"),
        ("classes", "right"),
        ("download", "right"),
        ("source", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for known in catalog.states(data_dir):
        size, channels = known.image_size, {1: "grey", 3: "RGB"}.get(known.channels or 0)
        table.add_row(
            escape(known.name),
            known.state,
            _count(known.train),
            _count(known.test),
            f"{size}×{size} {channels}" if size else "",
            _count(known.classes),
            f"{known.download_mb} MB" if known.download_mb else "",
            escape(known.source),
        )
    return table


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def metrics_table(run: Run, metrics: dict[str, Any]) -> Table:
    """Loss, accuracies and the figures of each class."""
    recipe = run.recipe
    title = network_title(recipe.network, batch_norm=recipe.batch_norm)
    table = Table(
        box=None,
        header_style="bold",
        title=f"{title} on the {metrics['split']} split of {recipe.dataset}: "
        f"accuracy {metrics['accuracy']:.2%}, loss {metrics['loss']:.4f}"
        + (
            f", top-5 {metrics['top5_accuracy']:.2%}"
            if metrics["top5_accuracy"] is not None
            else ""
        )
        + f" ({metrics['images']:,} images)",
        title_justify="left",
    )
    table.add_column("class")
    for column in ("precision", "recall", "F1", "images"):
        table.add_column(column, justify="right")
    rows = read_csv(run.results_folder(metrics["split"]) / "per_class.csv")
    for row in rows[:_CLASSES_SHOWN]:
        table.add_row(
            escape(row["class"]),
            *(f"{float(row[name]):.3f}" for name in ("precision", "recall", "f1")),
            row["support"],
        )
    if len(rows) > _CLASSES_SHOWN:
        table.caption = f"{len(rows) - _CLASSES_SHOWN} more classes in per_class.csv"
    if metrics["collapsed"]:
        table.caption = (
            f"collapsed: {metrics['collapsed']['share']:.1%} of the predictions are "
            f"class {metrics['collapsed']['class']!r}"
        )
    return table


_CLASSES_SHOWN = 20
