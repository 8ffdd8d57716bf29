"""A row under other assumptions: what is tried, what is said, and where it is kept."""

import dataclasses
import json

import pytest

from kerasnets import runs
from kerasnets.cli.commands import run as command
from kerasnets.compute.execution import Execution
from kerasnets.paper.outcomes import record_failure
from kerasnets.paper.plan import begin, plan
from kerasnets.paper.reconciliation import reconcile as module
from kerasnets.paper.reconciliation.alternatives import (
    alternatives,
    not_tried,
    reconciliation,
)
from kerasnets.paper.reconciliation.reconcile import reconcile
from kerasnets.paper.reproduction import reproduce as reproducing
from kerasnets.paper.rows import PAPER
from kerasnets.report.page import page
from kerasnets.report.sources import read_sources

ROW = "cifar10-resnet34-modified"  # 91.18 % in the paper
NAMES = (
    "stem-cifar",
    "momentum-0",
    "weight-decay-0.0005",
    "weight-decay-0.005",
    "validation-test",
    "together",
)


class Trained:
    """In the place of training: leaves the files that count, and notes what for.

    A report shows more of the study's own run than that: `without_own` leaves it out.
    """

    def __init__(self, accuracies=None, fails=(), stops=None, without_own=False):
        self.names: list[str] = []
        self.accuracies = accuracies or {}
        self.fails, self.stops, self.without_own = fails, stops, without_own

    def __call__(self, planned, means, **options) -> str:
        self.names.append(planned.name)
        if planned.name == self.stops:
            raise KeyboardInterrupt
        if planned.name in self.fails:
            record_failure(planned, "the disk is away.")
            return "the disk is away."
        if self.without_own and not planned.alternative:
            return ""
        accuracy = self.accuracies.get(planned.name.partition("-seed")[0], 0.8)
        run = runs.create(planned.folder, planned.recipe)
        runs.write_csv(
            run.path / "history.csv",
            runs.HISTORY_COLUMNS,
            [
                (epoch, 1.0, 0.5, 1.0, accuracy + 0.01 * (epoch == 1))
                for epoch in range(1, planned.recipe.epochs + 1)
            ],
        )
        runs.write_json(
            run.path / "environment.json",
            {
                "device_name": "a processor",
                "threads": 2,
                "backend": "torch",
                "packages": {"torch": "2"},
                "engine": "torch_graph",
                "dataset_note": "re-encoded as JPEG",
                "dataset_fingerprint": "same",
                "class_names": list(map(str, range(10))),
                "train_images": 45000,
                "validation_images": 5000,
                "test_images": 10000,
                "trainable_parameters": 1,
            },
        )
        runs.write_json(
            run.path / "metrics.json",
            {
                "network": "resnet34",
                "dataset": "cifar10",
                "split": "test",
                "images": 10000,
                "loss": 1.0,
                "accuracy": accuracy,
                "top5_accuracy": None,
                "collapsed": None,
                "first_batch": None,
                "dataset_note": "",
                "data_changed": False,
            },
        )
        (run.path / "examples.png").write_bytes(b"")
        return ""


@pytest.fixture
def trained(monkeypatch):
    def use(**options) -> Trained:
        fake = Trained(**options)
        monkeypatch.setattr(reproducing, "complete_run", fake)
        monkeypatch.setattr(module, "check_settings", lambda unsettled, settings: "cpu")
        return fake

    return use


def bring_on(path, scale="paper", **options):
    study = plan(path, scale=scale, seeds=options.pop("seeds", None))
    return reconcile(reconciliation(study, ROW), say=lambda line: None, **options)


@pytest.mark.parametrize("row", PAPER)
def test_an_alternative_changes_one_thing(row):
    recipe = PAPER[row].recipe
    *singles, together = alternatives(recipe)
    for one in singles:
        changed = dataclasses.replace(recipe, **one.changes)
        differ = [
            field.name
            for field in dataclasses.fields(recipe)
            if getattr(changed, field.name) != getattr(recipe, field.name)
        ]
        assert differ == list(one.changes) and len(differ) == 1, one.name
    has_stem = "vgg" not in row
    helpful = {"weight_decay": 0.005, "validation": "test"}
    if has_stem:
        helpful["stem"] = "cifar"
    assert (together.name, dict(together.changes)) == ("together", helpful)
    assert ("stem-cifar" in [one.name for one in alternatives(recipe)]) == has_stem
    assert "ImageNet weights" in not_tried(recipe)
    assert ("First layers for 32×32 images" in not_tried(recipe)) != has_stem


def test_what_the_study_has_changed_is_tried_the_other_way():
    recipe = dataclasses.replace(
        PAPER[ROW].recipe,
        stem="cifar",
        momentum=0.0,
        weight_decay=5e-4,
        validation="test",
    )
    found = {one.name: dict(one.changes) for one in alternatives(recipe)}
    assert found == {
        "stem-imagenet": {"stem": "imagenet"},
        "momentum-0.9": {"momentum": 0.9},
    }


def test_decay_in_the_gradient_is_that_of_pytorch():
    """Its steady state: the decay that momentum repeats."""
    recipe = PAPER[ROW].recipe
    weight, velocity, rate = 1.0, 0.0, recipe.learning_rate
    for _ in range(5000):
        velocity = recipe.momentum * velocity + 5e-4 * weight
        weight -= rate * velocity
    (decay,) = [
        one.changes["weight_decay"]
        for one in alternatives(recipe)
        if one.changes.get("weight_decay", 0) > 5e-4 and len(one.changes) == 1
    ]
    assert (1 - rate * decay) ** 5000 == pytest.approx(weight, rel=1e-3)


def test_each_assumption_is_held_against_the_papers_number(tmp_path, trained):
    fake = trained(accuracies={"stem-cifar": 0.914, "validation-test": 0.902})
    pages: list[str] = []
    path = tmp_path / "study"

    def ended() -> None:
        pages.append((path / "reconcile" / ROW / "reconcile.md").read_text())

    found = bring_on(path, ended=ended)
    assert fake.names == [f"{ROW}-seed0", *(f"{name}-seed0" for name in NAMES)]
    assert len(pages) == 7
    inside = {one.name: one.inside for one in found.findings}
    assert inside == {
        "unchanged": False,
        "unchanged-best": None,  # its network was not kept
        "stem-cifar": True,
        "momentum-0": False,
        "weight-decay-0.0005": False,
        "weight-decay-0.005": False,
        "validation-test": False,
        "validation-test-best": True,
        "together": False,
        "together-best": False,
    }
    accuracy = {one.name: one.accuracy for one in found.findings}
    assert accuracy["validation-test-best"] == pytest.approx(0.912)
    assert "2 of 9 results have the paper's 91.18 % inside" in found.conclusion
    assert "7 of 7 runs are finished" in found.conclusion

    folder = path / "reconcile" / ROW
    assert (folder / "runs" / "stem-cifar-seed0" / "recipe.json").exists()
    assert (path / "runs" / f"{ROW}-seed0" / "recipe.json").exists()
    record = json.loads((folder / "reconcile.json").read_text())
    first = record["findings"][2]
    assert first["changes"] == {"stem": "cifar"} and first["paper_inside"] is True
    assert first["low"] < record["paper_accuracy"] < first["high"]
    assert first["runs"] == [f"reconcile/{ROW}/runs/stem-cifar-seed0"]
    text = (folder / "reconcile.md").read_text()
    assert "91.40 % (90.83 to 91.93) | 91.18 % | yes |" in text
    assert "optimistic" in text
    assert "ImageNet weights |  | 91.18 % |  | not tried: " in text
    assert "- Data: re-encoded as JPEG." in text
    # The row itself is the study's.
    assert "Finished: 1 of 9 runs" in (path / "results.md").read_text()


def test_none_inside_is_said_with_the_highest(tmp_path, trained):
    trained(accuracies={"momentum-0": 0.85})
    assert bring_on(tmp_path / "study").conclusion == (
        "None of the 9 results so far has the paper's 91.18 % inside its interval; "
        "the highest is 85.00 % (Momentum 0). 7 of 7 runs are finished."
    )


def test_it_goes_on_where_it_was_interrupted(tmp_path, trained):
    path = tmp_path / "study"
    trained(stops="momentum-0-seed0")
    with pytest.raises(KeyboardInterrupt):
        bring_on(path)
    fake = trained()
    found = bring_on(path)
    assert fake.names == [f"{name}-seed0" for name in NAMES[1:]]
    assert "7 of 7 runs are finished" in found.conclusion


def test_each_seed_is_tried(tmp_path, trained):
    fake = trained()
    found = bring_on(tmp_path / "study", seeds=2)
    assert len(fake.names) == len(set(fake.names)) == 14
    assert {one.interval.kind for one in found.findings if one.interval} == {"t"}


def test_a_scaled_down_study_judges_nothing(tmp_path, trained):
    trained(accuracies={"stem-cifar": 0.914})
    found = bring_on(tmp_path / "study", scale="smoke")
    assert {one.inside for one in found.findings} == {None}
    assert found.conclusion.startswith("No assumption can be judged: scaled down: ")
    text = (found.reconciliation.path / "reconcile.md").read_text()
    assert "| not comparable |" in text and "| yes |" not in text


def test_a_failure_is_named_and_the_status_tells(tmp_path, trained, capsys):
    path = tmp_path / "study"
    trained(fails=["momentum-0-seed0"], without_own=True)
    words = ["reproduce", "--scale", "paper", "--out", str(path), "--reconcile", ROW]
    assert command([*words, "-q"]) == 1
    out, err = capsys.readouterr()
    assert err == "kerasnets: momentum-0-seed0 failed: the disk is away.\n"
    assert "failed: the disk is away." in out
    assert out.splitlines()[-1].startswith("results are in ")
    assert "What would have to be true" in (path / "report.html").read_text()
    trained(without_own=True)
    assert command([*words, "-q"]) == 0


def test_the_report_shows_it_once_it_is_there(tmp_path, trained):
    path = tmp_path / "study"
    begin(plan(path, scale="paper"))
    assert 'id="reconcile"' not in page(read_sources(path))
    trained(accuracies={"stem-cifar": 0.914}, without_own=True)
    bring_on(path)
    text = page(read_sources(path))
    assert 'id="reconcile"' in text and 'href="#reconcile"' in text
    assert "kerasnets reproduce --scale paper --reconcile " + ROW in text
    assert "First layers for 32×32 images" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--reconcile", "cifar10-resnet34-modifed"], f"Did you mean '{ROW}'"),
        (["--reconcile", ROW, "mnist-densenet121"], "leave mnist-densenet121 out"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path, monkeypatch, capsys, words, says
):
    monkeypatch.chdir(tmp_path)
    assert command(["reproduce", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not list(tmp_path.iterdir())


def test_it_trains_side_by_side(tmp_path, tiny, monkeypatch, quick_processes):
    """For real, where only the runs themselves count."""
    monkeypatch.setattr(
        "kerasnets.paper.reconciliation.alternatives.alternatives",
        lambda recipe: alternatives(recipe)[1:2],
    )
    found = bring_on(tmp_path / "study", scale=tiny, execution=Execution("cpu"), jobs=2)
    assert "2 of 2 runs are finished" in found.conclusion
    folder = found.reconciliation.path
    recipe = json.loads((folder / "runs/momentum-0-seed0/recipe.json").read_text())
    assert recipe["momentum"] == 0
    assert not list((folder / "failures").iterdir())
