"""What has changed since a run began, and may alter its last bits, is said."""

from types import SimpleNamespace

import keras
import pytest

from kerasnets import runs
from kerasnets.compute.runtime import Session
from kerasnets.recipe import Recipe
from kerasnets.runs import records
from kerasnets.training.environment import Facts

RECIPE = Recipe.for_paper("resnet18", "digits")


def facts(device: str, *, deterministic: bool) -> Facts:
    return Facts(
        RECIPE,
        Session(keras.backend.backend(), device, "card", 1, {}),
        "keras",
        deterministic,
        SimpleNamespace(fingerprint="0", note="", files=None, class_names=("a", "b")),
        SimpleNamespace(train=[], validation=[], test=[]),
        SimpleNamespace(weights=[]),
        steps=1,
        began=0.0,
        dataset_load_s=0.0,
    )


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
def test_determinism_that_comes_or_goes_on_an_accelerator(tmp_path, device, begun):
    run = runs.create(tmp_path / "run", RECIPE)
    facts(device, deterministic=begun).record(run, ())
    assert facts(device, deterministic=begun).changed(run) is None
    said = facts(device, deterministic=not begun).changed(run)
    if device == "cpu":  # deterministic in any case
        assert said is None
    else:
        assert f"deterministic {not begun} (begun with {begun}): " in said


def test_a_run_that_did_not_record_determinism_is_resumed_silently(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    facts("cuda:0", deterministic=True).record(run, ())
    environment = records.environment(run)
    del environment["deterministic"]
    runs.write_json(run.path / records.ENVIRONMENT_FILE, environment)
    assert facts("cuda:0", deterministic=True).changed(run) is None
