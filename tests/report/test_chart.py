"""Charts show every value where it belongs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.report.chart import HEIGHT, WIDTH, Point, Series, line_chart, ticks

VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def places(chart: str) -> list[tuple[float, float]]:
    found = re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', chart)
    return [(float(x), float(y)) for x, y in found]


@given(st.lists(VALUES, min_size=1, max_size=9))
def test_points_lie_inside_and_higher_values_higher(values):
    points = [Point(number, value, "") for number, value in enumerate(values, 1)]
    chart = line_chart([Series(0, points)], title="t", x_label="x", whole_x=True)
    found = places(chart)
    assert len(found) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    heights = [y for _, (_, y) in sorted(zip(values, found, strict=True))]
    assert heights == sorted(heights, reverse=True)


def test_far_apart_losses_have_a_logarithmic_axis_that_is_named():
    points = [Point(1, 100.0, ""), Point(2, 10.0, ""), Point(3, 1.0, "")]
    chart = line_chart([Series(0, points)], title="Loss", x_label="epoch")
    assert "Loss, logarithmic" in chart
    first, second, third = (y for _, y in places(chart))
    assert second - first == pytest.approx(third - second, abs=0.2)


def test_ticks_are_round_and_epochs_whole():
    assert ticks(0.0, 1.0) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(1, 4, whole=True) == [1, 2, 3, 4]
    assert ticks(3, 3, whole=True) == [3, 4]
