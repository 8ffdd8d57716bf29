"""Bar charts of a benchmark: images per second of each contender."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from kerasnets.catalog.titles import network_title
from kerasnets.figures.style import BLUE, GRAY, SMALL_SIZE, sheet
from kerasnets.text import rate

_OURS = "kerasnets"
_MOST = 3  # plots per row


def draw_benchmark(reports: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw training and inference speeds of a benchmark's reports.

    Args:
        reports: results of `kerasnets.benchmark.comparison.benchmark`, at least one.
        path: a PNG or SVG file; its folder must exist.

    Returns:
        The file written.

    Raises:
        RunError: it cannot be written.
    """
    columns = list(dict.fromkeys(key for one in reports for key in _by_column(one)))
    lines = [columns[at : at + _MOST] for at in range(0, len(columns), _MOST)]
    rows = [
        (report, parts, line)
        for report in reports
        for parts in [_by_column(report)]
        for line in lines
        if parts.keys() & set(line)
    ]
    environment = reports[0]["environment"]
    alike = {column[2:] for column in columns}
    same = f", {_said(*next(iter(alike)))}" if len(alike) == 1 else ""
    source = reports[0]["torchvision_is"]
    with sheet(
        path,
        title=f"Images per second{same}",
        subtitle=f"{environment['device_name']}; {environment['backend']} "
        f"{environment['packages'][environment['backend']]}"
        + (f"; compared with {source}" if source else "")
        + f". Medians of {reports[0]['rounds']} interleaved rounds; lines are the "
        "middle half of the rounds.",
        body_height=0.6 + 1.35 * len(rows),
    ) as figure:
        grid = figure.subplots(len(rows), len(lines[0]), sharey="row", squeeze=False)
        for places, (report, parts, line) in zip(grid, rows, strict=True):
            for axes, column in itertools.zip_longest(places, line):
                part = parts.get(column)
                if part and part["contenders"]:
                    said = "" if same else f"\n{_said(*column[2:])}"
                    _draw(axes, report, column[0], part, said)
                else:
                    axes.set_axis_off()
    return path


def _by_column(report: dict[str, Any]) -> dict[tuple, dict[str, Any]]:
    return {
        (what, *_conditions(report, part)): part
        for what in ("train", "inference")
        for part in report[what]
    }


def _conditions(report: dict[str, Any], part: dict[str, Any]) -> tuple[int, int, str]:
    """Batch size, image size and precision. Older files have a single image size, and
    no precision, which was float32."""
    size = part.get("image_size", report["image_size"])
    return part["batch_size"], size, part.get("precision", "float32")


def _said(image_size: int, precision: str) -> str:
    return f"{image_size}x{image_size}, {precision.removeprefix('mixed_')}"


def _draw(
    axes: Axes, report: dict[str, Any], what: str, part: dict[str, Any], said: str
) -> None:
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
        inside = speed > max(speeds) / 3  # otherwise the number is longer than its bar
        axes.text(
            0 if inside else speed * (1 + one["spread"] / 2),
            index,
            f" {rate(speed)}",
            va="center",
            color="white" if inside else "black",
            size=SMALL_SIZE,
        )
    title = network_title(report["network"], batch_norm=True)
    kind = "training" if what == "train" else "inference"
    axes.set_title(
        f"{title}\n{kind}, batch {part['batch_size']}{said}", size=SMALL_SIZE
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL_SIZE)
