"""Plots of accuracy against cost: arithmetic, size or time."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)

from kerasnets.catalog.titles import dataset_title
from kerasnets.figures.style import (
    GRAY,
    SMALL_SIZE,
    legend_columns,
    one_line,
    series_style,
    sheet,
)
from kerasnets.statistics import INTERVAL

_PANEL = 2.5
_LEGEND_LINE = 0.2
_LABEL_LENGTH = 40
_FAR_BELOW = 0.3  # accuracies this far below the best would compress the others

_AXES = {
    "flops": ("GFLOPs per image", 1e9),
    "parameters": ("million parameters", 1e6),
    "total_s": ("training time (min)", 60),
}


def draw_pareto(comparison: Mapping[str, Any], path: Path) -> Path:
    """Draw test accuracy against arithmetic, parameters and training time.

    One row of plots for each group of runs with the same test images. A line joins the
    runs on the Pareto front. A run whose accuracy is far below the best is named, not
    drawn.

    Args:
        comparison: a result of `kerasnets.comparison.compare.Comparison.to_json`, with
            at least one evaluated run.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        The file written.

    Raises:
        RunError: it cannot be written.
    """
    rows = comparison["rows"]
    numbers = sorted({row["group"] for row in rows if row["group"] is not None})
    shown = [index for index, row in enumerate(rows) if row["group"] is not None]
    labels = [one_line(rows[index]["label"], _LABEL_LENGTH) for index in shown]
    columns = legend_columns(labels)
    with sheet(
        path,
        title="Test accuracy against cost",
        subtitle=f"Bars: {INTERVAL}s of the accuracy. Gray line: the Pareto front, "
        "runs that no other beats in accuracy at the same or a lower cost (for the "
        "time: on the same device). Two FLOPs a multiply-accumulate of convolutions "
        "and dense layers.",
        body_height=_PANEL * len(numbers) + _LEGEND_LINE * ceil(len(labels) / columns),
    ) as figure:
        grid = figure.subplots(len(numbers), len(_AXES), sharey="row", squeeze=False)
        for line, number in zip(grid, numbers, strict=True):
            group = {i: rows[i] for i in shown if rows[i]["group"] == number}
            title = dataset_title(next(iter(group.values()))["dataset"])
            best = max(row["test_accuracy"] for row in group.values())
            below = [i for i in group if group[i]["test_accuracy"] < best - _FAR_BELOW]
            for index in below:
                row = group.pop(index)
                title += f" (far below: {row['label']}, {row['test_accuracy']:.2%})"
            for axes, cost in zip(line, _AXES, strict=True):
                _draw(axes, cost, group, comparison["pareto"])
            line[0].set_title(title, size=SMALL_SIZE)
            line[0].set_ylabel("test accuracy")
            line[0].yaxis.set_major_formatter(PercentFormatter(xmax=1))
        _add_legend(figure, grid[0][0], shown, labels, columns)
    return path


def _draw(
    axes: Axes,
    cost: str,
    group: Mapping[int, Mapping[str, Any]],
    fronts: Sequence[Mapping[str, Any]],
) -> None:
    title, scale = _AXES[cost]
    points = {}
    for index, row in group.items():
        if row[cost] is None:
            continue
        accuracy, interval = row["test_accuracy"], row["interval"]
        points[row["label"]] = (row[cost] / scale, accuracy)
        axes.errorbar(
            row[cost] / scale,
            accuracy,
            yerr=[[accuracy - interval["low"]], [interval["high"] - accuracy]],
            markersize=5,
            capsize=2,
            **series_style(index),
        )
    for front in fronts:
        drawn = [points[label] for label in front["front"] if label in points]
        if front["cost"] == cost and drawn:
            axes.plot(
                *zip(*drawn, strict=True),
                color=GRAY,
                linewidth=1,
                drawstyle="steps-post",
                zorder=1,
            )
    axes.set_xlabel(title)
    axes.grid(axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    _scale(axes, [x for x, _ in points.values()])


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    """Logarithmic if the costs span more than a factor of ten."""
    if costs and max(costs) > 10 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.12 * max(costs, default=1))
        axes.xaxis.set_major_locator(MaxNLocator(5))


def _add_legend(
    figure: Figure,
    axes: Axes,
    shown: Sequence[int],
    labels: Sequence[str],
    columns: int,
) -> None:
    handles = [
        axes.plot([], [], **{**series_style(index), "linestyle": ""}, markersize=5)[0]
        for index in shown
    ]
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL_SIZE,
    )
