"""What is believed of JSON from elsewhere."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import ENVIRONMENT, METRICS

from kerasnets.cli.commands import run as _run
from kerasnets.runs import load, records, results
from kerasnets.storage import schema
from kerasnets.storage.files import read_json

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("[]", "not a JSON object"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1, "a": 2}', "a field twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "4300 digits"),
    ],
)
def test_what_is_not_a_json_object_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        schema.parse(text)


@given(value=st.dictionaries(st.text(), ANY_JSON))
def test_an_object_is_read_as_it_was_written(value):
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        return
    assert schema.parse(text) == value


def test_what_kerasnets_writes_is_accepted():
    schema.check(ENVIRONMENT, records.ENVIRONMENT)
    schema.check(METRICS, results.METRICS)
    session = {"backend": "torch", "threads": None, "packages": {"torch": None}}
    resumed = [{"at": "2026-01-02T00:00:00+00:00", **session}]
    schema.check({**ENVIRONMENT, **session, "resumed": resumed}, records.ENVIRONMENT)


@pytest.mark.parametrize("name", ["another", "", "two\nlines", "\ud800"])
def test_an_unknown_field_is_named(name):
    with pytest.raises(ValueError, match="unknown field") as error:
        schema.check({**METRICS, name: 1}, results.METRICS)
    assert str(error.value).endswith(f"unknown field {name!r}")
    assert str(error.value).isprintable()
    with pytest.raises(ValueError, match="resumed must be a list of sessions"):
        schema.check({**ENVIRONMENT, "resumed": [{name: 1}]}, records.ENVIRONMENT)


ARTIFACTS = Path(__file__).parents[2] / "artifacts"
# Not artifacts/runs, where a developer's own runs are.
PUBLISHED = [
    path.parent
    for folder in ("study", "cuda")
    for path in sorted((ARTIFACTS / folder).rglob("recipe.json"))
]


def test_runs_are_published():
    assert len(PUBLISHED) >= 24


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_what_was_published_is_accepted(folder):
    run = load(folder)
    assert run.recipe.to_json() and run.history
    read_json(folder / "environment.json", records.ENVIRONMENT)
    measured = list(folder.rglob("metrics.json"))
    assert measured or "reconcile" in folder.parts  # which looks at validation only
    for file in measured:
        read_json(file, results.METRICS)


def test_what_was_published_is_unchanged():
    assert _run(["verify", *map(str, PUBLISHED)]) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 1.5),
        ("accuracy", True),
        ("accuracy", "0.5"),
        ("images", 1.5),
        ("images", -1),
        ("images", 2**63),
        ("network", "two\nlines"),
        ("network", "\x1b[2J"),
        ("split", None),
        ("collapsed", {"class": "1"}),
        ("collapsed", {"class": 1, "share": 1}),
        ("first_batch", []),
        ("data_changed", 1),
    ],
)
def test_a_field_of_another_type_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        schema.check({**METRICS, name: value}, results.METRICS)


@pytest.mark.parametrize("name", ["network", "images", "accuracy"])
def test_a_missing_field_is_named(name):
    without = {key: value for key, value in METRICS.items() if key != name}
    with pytest.raises(ValueError, match=f"lacks the field '{name}'"):
        schema.check(without, results.METRICS)


@given(name=st.sampled_from([*results.METRICS]), value=ANY_JSON)
def test_what_is_accepted_can_be_printed(name, value):
    changed = {**METRICS, name: value}
    try:
        schema.check(changed, results.METRICS)
    except ValueError:
        return
    assert 0 <= changed["accuracy"] <= 1
    assert math.isfinite(changed["images"])
    f"{changed['accuracy']:.2%} {changed['loss']:.4f} {changed['network']}".encode()
