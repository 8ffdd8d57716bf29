"""Loss and accuracy of several runs (the paper's Figures 5 to 8)."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kerasnets.catalog.titles import dataset_title
from kerasnets.figures.style import (
    SMALL_SIZE,
    legend_columns,
    one_line,
    series_style,
    sheet,
)

_MARKED_EPOCHS = 20  # with more, markers hide the lines
_LABEL_LENGTH = 40
_PANELS = 4.4  # inches of the four panels of a dataset
_LEGEND_LINE = 0.2

_UNITS = (("h", 3600.0), ("min", 60.0), ("s", 1.0))


def draw_overlay(comparison: Mapping[str, Any], path: Path) -> Path:
    """Draw validation loss and accuracy by epoch and by wall time, dataset by dataset.

    Runs without epoch times are drawn by epoch only.

    Args:
        comparison: a result of `kerasnets.comparison.compare.Comparison.to_json`.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        The file written.

    Raises:
        RunError: it cannot be written.
    """
    rows = comparison["rows"]
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    labels = [one_line(row["label"], _LABEL_LENGTH) for row in rows]
    columns = legend_columns(labels)
    titles = ", ".join(map(dataset_title, datasets))
    with sheet(
        path,
        title=f"Validation loss and accuracy · {titles}",
        subtitle=f"{len(rows)} runs. Time: training and validation, from the start to "
        "the end of each epoch. " + _monitored(rows),
        body_height=_PANELS * len(datasets)
        + _LEGEND_LINE * ceil(len(labels) / columns),
    ) as figure:
        grid = figure.subplots(2 * len(datasets), 2, squeeze=False, sharey="row")
        for place, dataset in enumerate(datasets):
            series = {
                index: row
                for index, row in enumerate(rows)
                if row["dataset"] == dataset
            }
            _draw_dataset(grid[2 * place : 2 * place + 2], dataset, series)
        _add_legend(figure, grid[0][0], labels, columns)
    return path


def _monitored(rows: Sequence[Mapping[str, Any]]) -> str:
    on_test = [row["label"] for row in rows if row["monitored"] == "test"]
    if not on_test:
        return "Images: those held out of the training split."
    if len(on_test) == len(rows):
        return "Images: the test split."
    return (
        f"Images: held out of the training split; test split for {', '.join(on_test)}."
    )


def _draw_dataset(grid: Any, dataset: str, series: Mapping[int, Any]) -> None:
    unit, seconds = _unit(series)
    for name, by_epoch, by_time in (
        ("loss", *grid[0]),
        ("accuracy", *grid[1]),
    ):
        for index, row in series.items():
            curve = row["curve"]
            style = {**series_style(index), "markersize": 3.5}
            if len(curve["epochs"]) > _MARKED_EPOCHS:
                style["marker"] = ""
            by_epoch.plot(curve["epochs"], curve[name], **style)
            if curve["epoch_s"]:
                ends = [end / seconds for end in accumulate(curve["epoch_s"])]
                by_time.plot(ends, curve[name], **style)
        for axes in (by_epoch, by_time):
            axes.grid(axis="y")
            axes.spines[["top", "right"]].set_visible(False)
        by_epoch.set_ylabel("loss (nats per image)" if name == "loss" else "accuracy")
        by_epoch.set_title(f"{dataset_title(dataset)}, by epoch", size=SMALL_SIZE)
        by_time.set_title(f"{dataset_title(dataset)}, by time", size=SMALL_SIZE)
        by_epoch.xaxis.set_major_locator(
            MaxNLocator(8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
        )
        by_time.set_xlim(left=0)
    grid[1][0].yaxis.set_major_formatter(PercentFormatter(xmax=1))
    grid[1][0].set_xlabel("epoch")
    grid[1][1].set_xlabel(f"wall time ({unit})")


def _unit(series: Mapping[int, Any]) -> tuple[str, float]:
    """The largest unit of time of which the longest run takes at least two."""
    longest = max((row["total_s"] or 0 for row in series.values()), default=0)
    return next((unit for unit in _UNITS if longest >= 2 * unit[1]), _UNITS[-1])


def _add_legend(
    figure: Figure, axes: Axes, labels: Sequence[str], columns: int
) -> None:
    handles = [
        axes.plot([], [], **series_style(index), markersize=3.5)[0]
        for index in range(len(labels))
    ]
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        handlelength=2.8,
        fontsize=SMALL_SIZE,
    )
