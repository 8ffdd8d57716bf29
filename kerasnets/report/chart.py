"""Line charts as SVG, complete without a script and enhanced by page.js.

Every point has a title, which browsers show and page.js displays; `data-series`
identifies its line, and `data-x` the points at the same x.
There is no chart library because it would add 1.3 to 4.8 MB to a page of 0.8 MB.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from kerasnets.report.render import render

WIDTH, HEIGHT = 440, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 44
_LOG_FROM = 30  # minimum ratio of highest to lowest value for a logarithmic axis
_TICKS = 5


class Point(NamedTuple):
    """A value with its position and label."""

    x: float
    y: float
    words: str


class Series(NamedTuple):
    """A line.

    Attributes:
        number: selects its style, from 0.
        points: by increasing x.
    """

    number: int
    points: Sequence[Point]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    whole_x: bool = False,
    percent: bool = False,
) -> Markup:
    """Draw lines over a common x. The y axis is logarithmic if values span a factor of
    `_LOG_FROM` or more.

    Args:
        series: at least one, each with at least one point.
        title: quantity and unit of y.
        x_label: quantity or unit of x.
        whole_x: whether x is an integer, such as an epoch.
        percent: whether y is a share in [0, 1], to be shown in percent.
    """
    xs = [point.x for one in series for point in one.points]
    ys = [point.y for one in series for point in one.points]
    log = not percent and min(ys) > 0 and max(ys) > _LOG_FROM * min(ys)
    x_ticks = ticks(0.0 if not whole_x else min(xs), max(xs), whole=whole_x)
    y_ticks = (_powers if log else ticks)(min(ys), max(ys))
    place_x = _axis(x_ticks, xs, _LEFT, WIDTH - _RIGHT)
    place_y = _axis(y_ticks, ys, HEIGHT - _BOTTOM, _TOP, math.log if log else float)
    return render(
        "chart.html.j2",
        title=f"{title}, logarithmic" if log else title,
        x_label=x_label,
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        bottom=HEIGHT - _BOTTOM,
        x_ticks=[(place_x(tick), f"{tick:g}") for tick in x_ticks],
        y_ticks=[
            (place_y(tick), f"{100 * tick:g} %" if percent else f"{tick:g}")
            for tick in y_ticks
        ],
        series=[
            (one.number, [(place_x(p.x), place_y(p.y), p) for p in one.points])
            for one in series
        ],
    )


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers, from at or below `low` to at or below `high`."""
    if high <= low:
        high = low + (1 if whole else abs(low) or 1)
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = (math.floor(end / step + 1e-9) for end in (low, high))
    found = [round(number * step, 12) for number in range(first, last + 1)]
    return [tick for tick in found if not whole or tick >= low]


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or only the powers if there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    every = [f * 10.0**power for power in range(first, last + 1) for f in factors]
    return [float(f"{tick:.1g}") for tick in every if low <= tick <= high]


def _axis(
    marks: Sequence[float],
    values: Sequence[float],
    start: float,
    end: float,
    scale: Callable[[float], float] = float,
) -> Callable[[float], str]:
    """A function that places a value on the axis from `start` to `end`, in pixels."""
    low, high = min(*marks[:1], *values), max(*marks[-1:], *values)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    first, last = scale(low), scale(high)
    return lambda value: (
        f"{start + (scale(value) - first) / (last - first) * (end - start):.1f}"
    )
