"""Interactive loss and accuracy curves by epoch and by time, like the paper's Figures 5
to 8."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from kerasnets.report.chart import Point, Series, line_chart
from kerasnets.report.sources import Record, Sources
from kerasnets.text import duration

_UNITS = ((2 * 3600, 3600, "hours"), (2 * 60, 60, "minutes"), (0, 1, "seconds"))


def curves(sources: Sources) -> dict[str, Any] | None:
    """Charts for each dataset, and the drawn figures of training and validation, as in
    the paper's appendix."""
    records = sources.records
    if not records:
        return None
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    return {
        "monitors_test": any(one.run.recipe.validation == "test" for one in records),
        "groups": [(group, alike, _charts(alike)) for group, alike in groups.items()],
        "drawn": [one for one in records if (one.run.path / "curves.png").exists()],
    }


def _charts(records: Sequence[Record]) -> list[Markup]:
    timed = [record.curve.total_s for record in records if record.curve.total_s]
    _, unit, unit_name = next(u for u in _UNITS if max(timed, default=0) >= u[0])
    charts = []
    for title, quantity, form, percent in (
        ("Loss (nats per image)", "loss", ".4f", False),
        ("Accuracy", "accuracy", ".2%", True),
    ):
        for by_time in (False, True):
            series = [
                _series(number, record, quantity, form, unit if by_time else 0)
                for number, record in enumerate(records)
                if record.curve.ends_s or not by_time
            ]
            if series:
                charts.append(
                    line_chart(
                        series,
                        title=f"{title} by {'time' if by_time else 'epoch'}",
                        x_label=unit_name if by_time else "epoch",
                        whole_x=not by_time,
                        percent=percent,
                    )
                )
    return charts


def _series(number: int, record: Record, quantity: str, form: str, unit: int) -> Series:
    """A run's line over epochs, or over time if `unit` (in seconds) is not 0."""
    curve = record.curve
    ends = curve.ends_s
    points = []
    for index, value in enumerate(getattr(curve, quantity)):
        epoch = curve.epochs[index]
        after = f", {duration(ends[index])}" if ends else ""
        words = f"{record.label}: {value:{form}} (epoch {epoch}{after})"
        x = ends[index] / unit if ends and unit else epoch
        points.append(Point(x, value, words))
    return Series(number, points)
