"""Intervals and tests are those of the textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from kerasnets.statistics import holm, largest_cells, mcnemar, wilson_interval

Z = 1.959963984540054


@given(
    st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
)
def test_wilson_is_the_formula_of_1927(counts):
    correct, images = counts
    share, spread = correct / images, Z**2 / images
    middle = (share + spread / 2) / (1 + spread)
    reach = (
        Z / (1 + spread) * math.sqrt(share * (1 - share) / images + spread / images / 4)
    )
    found = wilson_interval(correct, images)
    assert found.low == pytest.approx(middle - reach, abs=1e-9)
    assert found.high == pytest.approx(middle + reach, abs=1e-9)
    assert 0 <= found.low <= share <= found.high <= 1


def test_wilson_against_a_published_value():
    # Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    found = wilson_interval(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    found = wilson_interval(0, 20)
    assert (round(found.low, 4), round(found.high, 4)) == (0, 0.1611)


def correct(both: int, only_first: int, only_second: int, neither: int):
    counts = (both, only_first, only_second, neither)
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


@given(*[st.integers(0, 60)] * 2)
def test_mcnemar_is_the_two_tails_of_a_fair_coin(only_first, only_second):
    tosses = only_first + only_second
    tail = binom.cdf(min(only_first, only_second), tosses, 0.5)
    found = mcnemar(*correct(10, only_first, only_second, 3))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(min(1, 2 * tail))
    assert found.difference == (only_second - only_first) / (tosses + 13)
    assert -1 <= found.interval.low <= found.interval.high <= 1
    turned = mcnemar(*correct(10, only_second, only_first, 3))
    assert turned.p == found.p
    assert turned.interval.low == pytest.approx(-found.interval.high)


def test_mcnemar_agrees_with_chi_squared_where_there_are_many_images():
    found = mcnemar(*correct(9000, 431, 369, 200))
    corrected = (431 - 369 - 1) ** 2 / 800
    assert found.p == pytest.approx(chi2.sf(corrected, 1), rel=0.02)


def test_mcnemar_on_a_published_example():
    # Agresti, Categorical Data Analysis (2nd edition), section 10.1: two ratings of a
    # prime minister; the difference has a standard error of 0.0095.
    found = mcnemar(*correct(794, 150, 86, 570))
    assert found.difference == -0.04
    assert found.interval.low == pytest.approx(-0.0587, abs=2e-4)
    assert found.interval.high == pytest.approx(-0.0213, abs=2e-4)


def test_the_same_predictions_do_not_differ():
    found = mcnemar(*correct(95, 0, 0, 5))
    assert (found.p, found.difference) == (1, 0)
    assert found.interval.low < 0 < found.interval.high


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(p_values):
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= min(1, p * len(p_values))
    pairs = sorted(zip(p_values, holm(p_values), strict=True))
    assert [a for _, a in pairs] == sorted(a for _, a in pairs)


def test_the_largest_cells_come_first_and_zeros_not_at_all():
    change = np.array([[0, -3, 2], [3, 0, 0], [1, 0, -9]])
    assert largest_cells(change, 4) == [(2, 2), (0, 1), (1, 0), (0, 2)]
    assert largest_cells(change, 9)[4:] == [(2, 0)]
    assert largest_cells(np.zeros((2, 2), int), 3) == []
