"""What every command is told of how to compute."""

import sys
from types import SimpleNamespace

import pytest

from kerasnets import evaluate, fit
from kerasnets.compute import runtime
from kerasnets.compute.execution import Execution
from kerasnets.errors import BackendError
from kerasnets.recipe import Recipe

pytestmark = pytest.mark.usefixtures("narrow_networks")

RECIPE = Recipe.for_paper(
    "resnet18",
    "digits",
    image_size=8,
    limit=12,
    batch_size=12,
    epochs=1,
    validation="test",
)


def test_an_execution_and_its_fields_as_keywords_are_the_same(tmp_path):
    slow = Execution(device="cpu", engine="keras", deterministic=True)
    first = fit(RECIPE, tmp_path / "first", execution=slow, verbosity=0)
    second = fit(
        RECIPE,
        tmp_path / "second",
        execution=Execution(device="cpu", engine="torch_graph"),
        engine="keras",  # in the place of the execution's
        deterministic=True,
        verbosity=0,
    )
    assert first.history == second.history
    for run in (first, second):
        with pytest.raises(BackendError, match="unknown engine 'none'"):
            evaluate(run, execution=slow, engine="none")
        with pytest.raises(TypeError, match=r"'engines'.* 'engine'"):
            evaluate(run, engines="keras")
    found = [
        evaluate(first, execution=slow),
        evaluate(second, device="cpu", engine="keras", deterministic=True),
    ]
    assert [one["engine"] for one in found] == ["keras", "keras"]
    assert found[0]["loss"] == found[1]["loss"]


def test_the_version_of_a_package_whose_distribution_has_another_name(monkeypatch):
    """As tensorflow-cpu, which is imported as tensorflow."""
    monkeypatch.setitem(sys.modules, "elsewhere", SimpleNamespace(__version__="2.21"))
    assert runtime.package_version("elsewhere") == "2.21"
    assert runtime.package_version("not_imported") is None
