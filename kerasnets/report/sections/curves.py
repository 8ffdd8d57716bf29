"""Loss and accuracy of the runs by epoch and by the clock, as the paper's Figures 5 to
8, to be pointed at."""

from collections.abc import Callable, Iterable, Sequence

from kerasnets.report.chart import Point, Series, line_chart, look
from kerasnets.report.html import Html, element, folded, paragraph, picture, section
from kerasnets.report.sources import Record
from kerasnets.training.callbacks.progress import duration

_UNITS = ((2 * 3600, 3600, "hours"), (2 * 60, 60, "minutes"), (0, 1, "seconds"))


def curves_section(records: Sequence[Record]) -> Html:
    """A set of charts for each dataset."""
    parts = []
    for group in dict.fromkeys(record.group for record in records):
        alike = [record for record in records if record.group == group]
        parts.append(element("h3", group))
        parts.append(_charts(alike))
    parts += _drawn(records)
    return section(
        "curves",
        "Loss and accuracy while training",
        paragraph(
            "On the images held out for validation"
            + (
                " (on the test split where a run monitors it)"
                if any(one.run.recipe.validation == "test" for one in records)
                else ""
            )
            + ", after each epoch. Point at a chart, or choose it with the keyboard "
            "and press the arrow keys, to read values; press a run's name to hide it.",
        ),
        *parts,
    )


def _drawn(records: Sequence[Record]) -> list[Html]:
    """Training beside validation, as the paper's appendix has it."""
    pictures = [
        element(
            "div",
            element("h3", record.label),
            picture(record.run.path / "curves.png", f"Curves of {record.label}"),
            class_="card",
        )
        for record in records
        if (record.run.path / "curves.png").exists()
    ]
    if not pictures:
        return []
    return [
        folded(
            "Training beside validation, run by run (the paper's appendix)",
            element("div", *pictures, class_="cards"),
        )
    ]


def _charts(records: Sequence[Record]) -> Html:
    timed = [record.curve.total_s for record in records if record.curve.total_s]
    _, unit, unit_name = next(u for u in _UNITS if max(timed, default=0) >= u[0])
    charts = []
    for title, values, written, percent in (
        ("Loss (nats an image)", lambda r: r.curve.loss, lambda v: f"{v:.4f}", False),
        ("Accuracy", lambda r: r.curve.accuracy, lambda v: f"{v:.2%}", True),
    ):
        for by_time in (False, True):
            series = [
                _series(number, record, values(record), written, unit if by_time else 0)
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
    legend = element(
        "div", *_legend(records), class_="legend", role="group", aria_label="Runs"
    )
    return element(
        "div", legend, element("div", *charts, class_="charts"), class_="curves"
    )


def _series(
    number: int,
    record: Record,
    values: Sequence[float],
    written: Callable[[float], str],
    unit: int,
) -> Series:
    """A run's line over epochs, or over time where a unit of it is given."""
    curve = record.curve
    ends = curve.ends_s
    points = []
    for index, (epoch, value) in enumerate(zip(curve.epochs, values, strict=True)):
        after = f", {duration(ends[index])}" if ends else ""
        points.append(
            Point(
                ends[index] / unit if ends and unit else epoch,
                value,
                f"{record.label}: {written(value)} (epoch {epoch}{after})",
            )
        )
    return Series(number, points)


def _legend(records: Iterable[Record]) -> Iterable[Html]:
    for number, record in enumerate(records):
        attributes = look(number)
        line = element("line", x1=0, x2=26, y1=6, y2=6, **attributes)
        sample = element("svg", line, viewBox="0 0 26 12", aria_hidden="true")
        yield element(
            "button",
            sample,
            record.label,
            type="button",
            aria_pressed="true",
            data_toggle=number,
        )
