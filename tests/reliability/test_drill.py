"""kerasnets drill: it counts its kills, and it notices a difference."""

import dataclasses

import narrow
import pytest
from click.testing import CliRunner

from kerasnets.cli.commands import kerasnets
from kerasnets.compute.execution import Execution
from kerasnets.errors import RunError
from kerasnets.training import drill as drilling

_train = drilling._train


def narrow_train(*arguments):
    with narrow.narrowed():
        _train(*arguments)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    recipe = dataclasses.replace(
        drilling.default_recipe("resnet18"), limit=40, epochs=1, image_size=8
    )
    folder = tmp_path_factory.mktemp("drill")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drilling, "_train", narrow_train)
        found = drilling.drill(recipe, folder, kills=2, execution=Execution("cpu"))
    return found, folder


def test_killed_runs_are_the_same_to_the_bit(result):
    drilled, folder = result
    assert drilled.kills == 2
    assert drilled.passed
    assert (folder / "whole" / "model.keras").exists()
    for run in (drilled.again, *drilled.killed):
        assert {"weights and optimizer", "model.keras", "history.csv"} <= set(run.same)


def test_it_does_not_overwrite_runs(result):
    drilled, folder = result
    with pytest.raises(RunError, match=r"the run .*whole exists"):
        drilling.drill(drilled.recipe, folder)


def differing(run):
    return dataclasses.replace(run, same=run.same | {"history.csv": False})


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (lambda drilled: {}, 0, "killed: every bit is the same.\n"),
        (
            lambda drilled: {"killed": tuple(map(differing, drilled.killed))},
            1,
            "killed: they DIFFER.\n",
        ),
        (
            lambda drilled: {"again": differing(drilled.again)},
            1,
            "killed: they DIFFER, as do two runs that were not killed.\n",
        ),
    ],
    ids=["same", "killed", "again"],
)
def test_the_command_gives_a_verdict(monkeypatch, result, change, status, words):
    drilled, _ = result
    made = dataclasses.replace(drilled, **change(drilled))
    monkeypatch.setattr(drilling, "drill", lambda *args, **options: made)
    answer = CliRunner().invoke(kerasnets, ["drill", "resnet18"], standalone_mode=False)
    assert answer.return_value == status
    assert answer.output.endswith(words)
    assert ("DIFFERS" in answer.output) == bool(status)
