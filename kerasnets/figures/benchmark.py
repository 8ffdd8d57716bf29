"""A benchmark as bars: images per second of each contender."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from kerasnets.figures.style import BLUE, GRAY, SMALL_SIZE, sheet
from kerasnets.names import network_title

_OURS = "kerasnets"


def draw_benchmark(reports: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw training and inference speeds of a benchmark's reports.

    Args:
        reports: as `kerasnets.benchmark.report.benchmark` gives them, one or more.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        The file written.

    Raises:
        RunError: it cannot be written.
    """
    columns = [("train", part) for part in range(len(reports[0]["train"]))]
    columns.append(("inference", 0))
    environment = reports[0]["environment"]
    with sheet(
        path,
        title="Images per second, 32x32, float32",
        subtitle=f"{environment['device_name']}; {environment['backend']} "
        f"{environment['packages'][environment['backend']]}; compared with "
        f"{reports[0]['torchvision_is']}. Medians of {reports[0]['rounds']} "
        "interleaved rounds; lines are the middle half of the rounds.",
        body_height=0.6 + 1.35 * len(reports),
    ) as figure:
        grid = figure.subplots(len(reports), len(columns), sharey="row", squeeze=False)
        for row, report in zip(grid, reports, strict=True):
            for axes, (what, part) in zip(row, columns, strict=True):
                _draw(axes, report, what, report[what][part])
    return path


def _draw(axes: Axes, report: dict[str, Any], what: str, part: dict[str, Any]) -> None:
    names = list(part["contenders"])[::-1]
    found = [part["contenders"][name] for name in names]
    speeds = [one["images_per_s"] for one in found]
    axes.barh(
        names,
        speeds,
        xerr=[
            speed * one["spread"] / 2 for speed, one in zip(speeds, found, strict=True)
        ],
        color=[BLUE if name == _OURS else GRAY for name in names],
        alpha=0.85,
        height=0.7,
    )
    for index, (speed, one) in enumerate(zip(speeds, found, strict=True)):
        inside = speed > max(speeds) / 3  # else the number is longer than its bar
        axes.text(
            0 if inside else speed * (1 + one["spread"] / 2),
            index,
            f" {speed:,.0f}",
            va="center",
            color="white" if inside else "black",
            size=SMALL_SIZE,
        )
    title = network_title(report["network"], batch_norm=True)
    kind = "training" if what == "train" else "inference"
    axes.set_title(f"{title}\n{kind}, batch {part['batch_size']}", size=SMALL_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL_SIZE)
