import numpy as np
import pytest

from kerasnets.statistics import COLLAPSE_SHARE, collapsed_class


def test_names_the_class_that_takes_all():
    assert collapsed_class([0, 10_000, 0]) == (1, 1.0)
    assert collapsed_class([1, 0, 999]) == (2, pytest.approx(0.999))


def test_needs_more_than_the_share():
    assert collapsed_class(np.array([99, 1])) is None
    assert COLLAPSE_SHARE == 0.99


def test_the_paper_s_accuracy_is_a_collapse():
    # 1,135 of MNIST's 10,000 test images are a "1": 11.35 %, said of all of them.
    predictions = np.zeros(10)
    predictions[1] = 10_000
    assert collapsed_class(predictions) == (1, 1.0)


def test_no_predictions_are_no_collapse():
    assert collapsed_class(np.zeros(10)) is None
