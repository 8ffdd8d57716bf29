"""Signals and gradients of a network's layers by depth, before and after training."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.evaluation.layer_signals import LayerSignal
from kerasnets.figures.style import BLUE, GRAY, INK, VERMILION, sheet
from kerasnets.recipe import Recipe

_COLORS = (VERMILION, BLUE, GRAY)

# Rows of axes: name, and for each line its style, attribute and label.
_ROWS = (
    ("signal", (("-", "signal_rms", "whole"), ("--", "deviation_rms", "per image"))),
    (
        "gradient",
        (
            ("-", "gradient_rms", "at output"),
            ("--", "kernel_gradient_rms", "at kernel"),
        ),
    ),
)


def draw_diagnosis(
    recipe: Recipe,
    steps: int,
    layers: Mapping[str, tuple[Sequence[LayerSignal], Sequence[LayerSignal]]],
    path: Path,
) -> Path:
    """Draw the magnitude of signals and gradients by layer, before and after training.

    Args:
        recipe: the diagnosed recipe.
        steps: number of optimizer steps in between.
        layers: for each variant of the network (at most three), its layers before the
            first step and after the last; the latter are empty if it diverged.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        The file written.

    Raises:
        RunError: it cannot be written.
    """
    colors = dict(zip(layers, _COLORS, strict=False))
    with sheet(
        path,
        title=f"{network_title(recipe.network)} · {dataset_title(recipe.dataset)}: "
        "signal and gradient by depth",
        subtitle=f"Root mean squares over one batch of {recipe.batch_size} training "
        f"images. Signal: a layer's output after its batch norm and ReLU; per image: "
        f"its deviation from the mean of all images. {recipe.optimizer}, learning rate "
        f"{recipe.learning_rate:g}, momentum {recipe.momentum:g}, seed {recipe.seed}.",
        body_height=5.6,
    ) as figure:
        grid = figure.subplots(2, 2, sharex=True, sharey="row")
        for row, (name, lines) in zip(grid, _ROWS, strict=True):
            for moment, axes in enumerate(row):
                for variant, moments in layers.items():
                    _draw(axes, moments[moment], lines, colors[variant])
                _frame(axes)
            row[0].set_ylabel(name)
            row[0].legend(
                [Line2D([], [], color=INK, ls=line) for line, _, _ in lines],
                [label for _, _, label in lines],
                handlelength=2.6,
            )
        grid[0, 0].set_title("before the first step")
        grid[0, 1].set_title(f"after {steps} steps")
        for axes in grid[1]:
            axes.set_xlabel("layer, from images to logits")
        figure.legend(
            [Line2D([], [], color=color) for color in colors.values()],
            list(colors),
            loc="outside lower center",
            ncols=len(colors),
        )
    return path


def _draw(
    axes: Axes,
    signals: Sequence[LayerSignal],
    lines: Sequence[tuple[str, str, str]],
    color: str,
) -> None:
    depths = [signal.depth for signal in signals]
    for line, attribute, _ in lines:
        # 0 cannot be drawn on a logarithmic axis, so the line has a gap there.
        values = [getattr(signal, attribute) or float("nan") for signal in signals]
        axes.plot(depths, values, line, color=color, marker="o", markersize=2.5)


def _frame(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_power_of_ten)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.grid(axis="y")
    axes.spines[["top", "right"]].set_visible(False)


def _power_of_ten(value: float, position: float) -> str:
    """The label of a tick, such as "10⁻³" for 0.001."""
    # matplotlib's formatter needs math text, which the sheet's style disables.
    return "10" + str(round(math.log10(value))).translate(_SUPERSCRIPT)


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
