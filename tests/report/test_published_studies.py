"""The published studies are listed, compared and reported as a user's own."""

import json
import shutil
from pathlib import Path

import pytest

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.comparison import row
from kerasnets.networks.cost import Cost
from kerasnets.paper.rows import PAPER

QUICK = Path(__file__).parents[2] / "artifacts" / "study" / "quick"
PUBLISHED = json.loads((QUICK / "comparison/comparison.json").read_text("utf-8"))
MACS = {one["parameters"]: one["macs"] for one in PUBLISHED["rows"]}


@pytest.fixture(scope="module", autouse=True)
def known_costs():
    """Networks are not built to count what they cost."""

    def found(recipe, num_classes, parameters):
        return Cost(parameters, MACS[parameters])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row, "network_cost", found)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A copy of the quick study's records, diagnoses and figures."""
    made = shutil.ignore_patterns("report.html", "comparison")
    folder = tmp_path_factory.mktemp("published") / "quick"
    return shutil.copytree(QUICK, folder, ignore=made)


def test_it_is_listed(study, capsys):
    assert _run(["runs", str(study), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = {Path(one["path"]).name for one in found}
    assert names == {f"{row}-seed0" for row in PAPER}
    for one in found:
        assert one["state"] == "complete"
        metrics = runs.read_json(Path(one["path"]) / "metrics.json")
        assert one["test_accuracy"] == metrics["accuracy"]


def test_it_is_compared_as_it_was(study, tmp_path, capsys):
    out = tmp_path / "comparison"
    assert _run(["compare", str(study), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for ours, published in zip(found["rows"], PUBLISHED["rows"], strict=True):
        for name, value in published.items():
            assert ours[name] == value or name == "run", name
    for name in PUBLISHED.keys() - {"rows"}:
        assert found[name] == PUBLISHED[name], name
    files = {file.name for file in (QUICK / "comparison").iterdir()}
    assert {file.name for file in out.iterdir()} >= files


def test_it_is_reported(study, tmp_path):
    page = tmp_path / "report.html"
    assert _run(["report", str(study), "--no-diagnose", "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "9 of 9 runs are finished" in text
    for name in PAPER:
        metrics = runs.read_json(study / "runs" / f"{name}-seed0" / "metrics.json")
        assert f"{metrics['accuracy']:.2%}" in text, name
    assert "trials are finished" in text  # of a published diagnosis
