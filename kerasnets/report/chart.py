"""A line chart as SVG: whole without a script, and ready for page.js.

Every point carries its words as a title, which browsers show and page.js reads out;
`data-series` says which line it belongs to and `data-x` which points stand together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerasnets.report.html import Html, element

WIDTH, HEIGHT = 440, 290
COLORS = 7  # series colors of page.css, then again with another dash
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 44
_DASHES = (None, "7 4", "2 3", "9 3 2 3")
_LOG_FROM = 30  # times that the highest value is above the lowest
_TICKS = 5


@dataclass(frozen=True)
class Point:
    """Where a value lies, and what is said of it."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        number: decides its look, from 0.
        points: by rising x.
    """

    number: int
    points: Sequence[Point]


def look(number: int) -> dict[str, str | None]:
    """Class and dash of the line `number`: 28 that look different."""
    turn, color = divmod(number, COLORS)
    return {"class_": f"s{color}", "stroke_dasharray": _DASHES[turn % len(_DASHES)]}


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    whole_x: bool = False,
    percent: bool = False,
) -> Html:
    """Draw lines over a common x.

    Values that spread `_LOG_FROM`-fold or more have a logarithmic axis.

    Args:
        series: one at least, each with a point.
        title: what y is, with its unit.
        whole_x: x is a whole number, as an epoch is.
        percent: y is a share in [0, 1], written in percent.
    """
    xs = [point.x for one in series for point in one.points]
    ys = [point.y for one in series for point in one.points]
    log = not percent and min(ys) > 0 and max(ys) > _LOG_FROM * min(ys)
    x_ticks = ticks(0.0 if not whole_x else min(xs), max(xs), whole=whole_x)
    if log:
        y_ticks = _powers(min(ys), max(ys))
        title = f"{title}, logarithmic"
    else:
        y_ticks = ticks(min(ys), max(ys))
    x_range = _range(x_ticks, xs)
    y_range = _range(y_ticks, ys)

    def place_x(value: float) -> float:
        return _place(value, x_range, _LEFT, WIDTH - _RIGHT)

    def place_y(value: float) -> float:
        if log:
            low, high = map(math.log, y_range)
            return _place(math.log(value), (low, high), HEIGHT - _BOTTOM, _TOP)
        return _place(value, y_range, HEIGHT - _BOTTOM, _TOP)

    parts = []
    for tick in y_ticks:
        y = f"{place_y(tick):.1f}"
        written = f"{100 * tick:g} %" if percent else f"{tick:g}"
        parts.append(
            element("line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
        )
        parts.append(
            element("text", written, x=_LEFT - 6, y=y, dy="0.35em", class_="end")
        )
    for tick in x_ticks:
        parts.append(
            element(
                "text",
                f"{tick:g}",
                x=f"{place_x(tick):.1f}",
                y=HEIGHT - _BOTTOM + 18,
                class_="middle",
            )
        )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(element("text", x_label, x=middle, y=HEIGHT - 6, class_="middle"))
    parts.append(
        element("line", class_="cursor", y1=_TOP, y2=HEIGHT - _BOTTOM, x1=0, x2=0)
    )
    for one in series:
        placed = [(f"{place_x(p.x):.1f}", f"{place_y(p.y):.1f}", p) for p in one.points]
        path = "M" + "L".join(f"{x},{y}" for x, y, _ in placed)
        dots = [
            element(
                "circle",
                element("title", p.words),
                cx=x,
                cy=y,
                r=3.2,
                data_x=f"{p.x:g}",
            )
            for x, y, p in placed
        ]
        attributes = look(one.number)
        parts.append(
            element(
                "g",
                element(
                    "path", d=path, stroke_dasharray=attributes["stroke_dasharray"]
                ),
                *dots,
                class_=f"series {attributes['class_']}",
                data_series=one.number,
            )
        )
    drawing = element(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title
    )
    return element(
        "div",
        element("h4", title),
        element(
            "div", drawing, class_="plot", tabindex=0, role="group", aria_label=title
        ),
        class_="chart",
    )


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers from at or below `low` to `high` or just below it."""
    if high <= low:
        high = low + (1 if whole else abs(low) or 1)
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first = math.floor(low / step + 1e-9)
    last = math.floor(high / step + 1e-9)
    found = [round(number * step, 12) for number in range(first, last + 1)]
    return [tick for tick in found if not whole or tick >= low]


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or the powers alone where these are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    every = [f * 10.0**power for power in range(first, last + 1) for f in factors]
    inside = [tick for tick in every if low <= tick <= high]
    return [float(f"{tick:.1g}") for tick in inside]


def _range(marks: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    low, high = min(*marks[:1], *values), max(*marks[-1:], *values)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _place(
    value: float, values: tuple[float, float], start: float, end: float
) -> float:
    low, high = values
    return start + (value - low) / (high - low) * (end - start)
