"""The backends compute the same, and where they do not, it is seen."""

import dataclasses
import json

import narrow
import numpy as np
import pytest

from kerasnets import parity
from kerasnets.catalog.networks import NETWORKS
from kerasnets.cli.commands import run as _run
from kerasnets.errors import BackendError
from kerasnets.parity import Found, Parity, Row, compare, recipe_of

GOOD = Row("resnet18", "jax", True, 1e-6, 1e-5, 1e-8)


def compute_narrow(recipes, folder, compute=parity._compute):
    with narrow.narrowed():
        yield from compute(recipes, folder)


def test_a_small_network_is_the_same_under_jax(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(parity, "_compute", compute_narrow)
    recipe = dataclasses.replace(recipe_of("vgg11"), head="compact", batch_norm=True)
    found = compare([recipe])
    assert found.agrees, found.to_json()
    assert (found.reference, found.rows[0].backend) == ("torch", "jax")


@pytest.mark.slow
def test_every_network_is_the_same_under_jax():
    pytest.importorskip("jax")
    found = parity.parity(list(NETWORKS))
    print(json.dumps(found.to_json(), indent=2))
    assert len(found.rows) >= len(NETWORKS)
    assert found.agrees, found.to_json()


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"weights": "other"}, False),
        ({"logits": np.array([[0.5, 1.00005]])}, True),
        ({"logits": np.array([[0.5, 1.0002]])}, False),
        ({"losses": (2.0, 1.0002)}, False),
        ({"losses": (2.0, float("nan"))}, False),
        ({"loss": 1.000002}, False),
        ({"accuracy": 0.46875}, False),
    ],
)
def test_what_is_compared(changes, agrees):
    first = Found("same", np.array([[0.5, 1.0]]), (2.0, 1.0), 1.0, 0.5)
    other = dataclasses.replace(first, **changes)
    assert parity._row("resnet18", "jax", first, other).agrees is agrees


def test_logits_are_compared_as_shares_of_the_largest():
    first = Found("same", np.array([[1000.0, 1.0]]), (1.0,), 1.0, 0.5)
    other = dataclasses.replace(first, logits=np.array([[1000.05, 1.0]]))
    row = parity._row("resnet18", "jax", first, other)
    assert row.logits == pytest.approx(5e-5)


@pytest.mark.parametrize("row", [GOOD, dataclasses.replace(GOOD, loss=2e-4)])
def test_the_command_says_whether_they_agree(row, capsys, monkeypatch):
    asked = []
    found = Parity("torch", {"torch": "2.9", "jax": "0.5"}, ("tensorflow",), (row,))

    def compare(recipes, say, tell):
        asked.append(recipes)
        tell(row)
        return found

    monkeypatch.setattr(parity, "compare", compare)
    assert _run(["parity", "resnet18"]) == (0 if row.agrees else 1)
    out, _ = capsys.readouterr()
    assert "ResNet-18" in out and "torch 2.9 and jax 0.5" in out
    assert "not installed: tensorflow" in out
    assert ("DISAGREE" in out) is not row.agrees
    assert _run(["parity", "--json"]) == (0 if row.agrees else 1)
    values = json.loads(capsys.readouterr().out)
    assert values["agrees"] is values["rows"][0]["agrees"] is row.agrees
    assert values["not_installed"] == ["tensorflow"]
    assert [[one.network for one in recipes] for recipes in asked] == [
        ["resnet18"],
        ["vgg19", "resnet34", "densenet121"],
    ]


def test_one_backend_alone_is_compared_with_nothing(capsys, monkeypatch):
    monkeypatch.setattr(parity, "find_spec", lambda name: name == "torch" or None)
    assert _run(["parity"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert "jax and tensorflow are not installed" in err


def test_a_backend_that_does_not_work_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("import no_such_library")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(parity, "BACKENDS", ("tensorflow", "torch"))
    with pytest.raises(BackendError, match=r"tensorflow is installed, but .*no_such_l"):
        compare([recipe_of("vgg11")])
