"""How often checkpoints are asked for, and are made."""

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.cli.commands import kerasnets
from kerasnets.errors import RecipeError
from kerasnets.training.checkpointing import Interval


@given(number=st.integers(1, 10**9))
def test_a_number_is_of_steps_and_with_an_s_of_seconds(number):
    assert Interval.parse(f"{number}") == Interval(steps=number)
    assert Interval.parse(f"{number}s") == Interval(seconds=number)


@pytest.mark.parametrize("text", ["0", "-3", "0s", "nans", "infs", "s", "", "5min"])
def test_nonsense_is_refused_before_anything_is_loaded(text):
    line = f"checkpoint interval {text!r} is neither a number of steps"
    with pytest.raises(RecipeError, match=line):
        Interval.parse(text)
    words = ["fit", "resnet18", "--dataset", "digits", "--checkpoint-every", text]
    result = CliRunner().invoke(kerasnets, words)
    assert isinstance(result.exception, RecipeError)


@given(every=st.integers(1, 100), passed=st.integers(0, 200))
def test_steps_and_seconds_do_not_mix(every, passed):
    for_steps, for_seconds = Interval(steps=every), Interval(seconds=every)
    assert for_steps.is_over(steps=passed, seconds=1e9) == (passed >= every)
    assert for_seconds.is_over(steps=10**9, seconds=passed) == (passed >= every)
