"""A difference names what differs, and nothing that does not."""

import json

import numpy as np
import pytest
from made_runs import CLASSES, labels, make_run
from PIL import Image

from kerasnets import figures, runs
from kerasnets.cli.commands import run as _run
from kerasnets.comparison.diff import Change, diff
from kerasnets.comparison.pages import difference_page
from kerasnets.errors import RunError
from kerasnets.storage.files import read_csv_rows


def test_recipe_environment_and_data(tmp_path):
    first = make_run(tmp_path / "first", environment={"threads": 2, "started": "then"})
    second = make_run(
        tmp_path / "second",
        glorot=True,
        epochs=3,
        environment={
            "packages": {"torch": "3", "jax": "1"},
            "dataset_fingerprint": "other",
            "started": "now",
            "resumed": [{}],
        },
    )
    found = diff(first, second)
    assert (found.first, found.second) == ("first", "second")
    assert found.recipe == (Change("glorot", False, True), Change("epochs", 2, 3))
    assert found.environment == (
        Change("packages.torch", "2", "3"),
        Change("threads", 2, None),
        Change("packages.jax", None, "1"),
    )
    assert found.same_data is False
    assert found.outcomes is None
    assert "the fingerprints of their datasets differ" in found.notes[0]


def test_equal_runs_do_not_differ(tmp_path):
    first, second = (
        make_run(tmp_path / name, environment={"start_s": s, "dataset_load_s": s / 2})
        for name, s in (("a", 3.5), ("b", 4.25))
    )
    found = diff(first, second)
    assert (found.recipe, found.environment, found.notes) == ((), (), ())
    assert found.same_data is True
    assert found.outcomes is not None
    assert found.outcomes.both_right == 360
    assert found.outcomes.test.p == 1
    assert "Nothing differs." in difference_page(found).markdown()


def test_outcomes_and_confusion(tmp_path):
    first = make_run(tmp_path / "first", wrong=range(10))
    second = make_run(tmp_path / "second", wrong=range(4, 12))
    outcomes = diff(first, second).outcomes
    assert outcomes is not None
    assert (outcomes.both_right, outcomes.both_wrong_alike) == (348, 6)
    assert (outcomes.test.only_first, outcomes.test.only_second) == (2, 4)
    assert outcomes.both_wrong_apart == 0
    change = np.zeros((10, 10), int)
    for row, step in [*((row, 1) for row in range(4)), (10, -1), (11, -1)]:
        truth = labels()[row]
        change[truth, truth] += step
        change[truth, (truth + 1) % 10] -= step
    assert (np.array(outcomes.confusion) == change).all()
    turned = diff(second, first).outcomes
    assert turned is not None
    assert (np.array(turned.confusion) == -change).all()


def test_times_to_each_accuracy(tmp_path):
    first = make_run(tmp_path / "first", accuracies=(0.35, 0.7, 0.72), epoch_s=10.0)
    second = make_run(tmp_path / "second", accuracies=(0.32, 0.65, 0.97), epoch_s=None)
    entries = [
        (r.accuracy, r.first_epoch, r.first_s, r.second_epoch, r.second_s)
        for r in diff(first, second).reached
    ]
    assert entries == [
        (0.3, 1, 10, 1, None),
        (0.6, 2, 20, 2, None),
        (0.7, 2, 20, 3, None),
        (0.95, None, None, 3, None),
    ]


def test_the_command_writes_every_file(tmp_path, capsys):
    first = make_run(tmp_path / "first", wrong=range(10), seed=1)
    second = make_run(tmp_path / "second", wrong=range(4, 40))
    out = tmp_path / "out"
    arguments = ["diff", str(first.path), str(second.path), "--out", str(out)]
    assert _run(arguments) == 0
    screen = capsys.readouterr().out
    assert "seed" in screen and "only first right" in screen and "60%" in screen
    assert "validation images of the two are not the same" in screen
    assert {path.name for path in out.iterdir()} == {
        "difference.json",
        "difference.md",
        "confusion_difference.csv",
        "confusion_difference.png",
        "disagreements.csv",
        "disagreements.png",
    }
    report = json.loads((out / "difference.json").read_text())
    (_, *names), *rows = read_csv_rows(out / "confusion_difference.csv")
    counts = [[int(count) for count in row[1:]] for row in rows]
    assert (counts, tuple(names)) == (report["outcomes"]["confusion"], CLASSES)
    rows = runs.read_csv(out / "disagreements.csv")
    assert len(rows) == 34
    assert (
        rows[0]["second_prediction"] == rows[0]["label"] != rows[0]["first_prediction"]
    )
    for name in ("confusion_difference", "disagreements"):
        with Image.open(out / f"{name}.png") as image:
            assert image.width == 1400
        assert f"({name}.png)" in (out / "difference.md").read_text()
    assert _run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == report


def test_images_that_are_no_longer_there_are_said_to_be_missing(tmp_path, capsys):
    pair = [make_run(tmp_path / name, wrong=[3]) for name in "ab"]
    for run in pair:
        recipe = json.loads((run.path / "recipe.json").read_text())
        runs.write_json(run.path / "recipe.json", {**recipe, "dataset": "not_there"})
    out = tmp_path / "out"
    arguments = ["diff", *(str(run.path) for run in pair), "--out", str(out)]
    assert _run([*arguments, "--data-dir", str(tmp_path / "data")]) == 0
    screen = capsys.readouterr().out
    assert "Images are not drawn" in screen and "not_there" in screen
    assert (out / "confusion_difference.png").exists()
    assert not (out / "disagreements.png").exists()
    assert "disagreements.png" not in (out / "difference.md").read_text()


def test_runs_that_are_not_evaluated(tmp_path, capsys):
    pair = make_run(tmp_path / "a"), make_run(tmp_path / "b", wrong=None)
    found = diff(*pair)
    assert found.outcomes is None
    assert "is not evaluated on the test split" in found.notes[0]
    arguments = ["diff", *(str(run.path) for run in pair), "--out", str(tmp_path / "c")]
    assert _run(arguments) == 0
    assert {file.name for file in (tmp_path / "c").iterdir()} == {
        "difference.json",
        "difference.md",
    }


def test_bad_input_is_one_line(tmp_path, capsys):
    for name in "ab":
        make_run(tmp_path / "runs" / name)
    a = str(tmp_path / "runs" / "a")
    for names, says in (
        ([a, a], "cannot differ from itself"),
        ([a, str(tmp_path / "runs")], "holds 2 runs"),
        ([a, "nowhere"], "nowhere"),
    ):
        assert _run(["diff", *names, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert says in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    begun = make_run(tmp_path / "begun", wrong=None, accuracies=(), epoch_s=None)
    with pytest.raises(RunError, match="no finished epoch"):
        diff(begun, runs.load(tmp_path / "runs" / "a"))


@pytest.mark.parametrize("classes", [2, 16, 60])
def test_confusion_changes_of_all_sizes_are_drawn(tmp_path, classes):
    random = np.random.default_rng(0)
    path = tmp_path / "change.png"
    figures.draw_confusion_change(
        random.integers(-300, 300, (classes, classes)),
        [f"class {number}" for number in range(classes)],
        ("first", "a label that is rather longer than others are"),
        path,
    )
    with Image.open(path) as image:
        assert (image.width, image.height < 1900) == (1400, True)


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        ({"seed": 0}, {"seed": 1}, True),
        ({"limit": 500}, {"limit": 600}, True),
        ({}, {"classes": "0,1,2"}, True),
        ({"validation": "test", "seed": 0}, {"validation": "test", "seed": 1}, False),
        ({"learning_rate": 0.1}, {}, False),
    ],
)
def test_validation_images_that_differ_are_noted(first, second, differ, tmp_path):
    pair = (
        make_run(tmp_path / name, wrong=None, **named)
        for name, named in (("a", first), ("b", second))
    )
    notes = " ".join(diff(*pair).notes)
    assert ("validation images of the two are not the same" in notes) == differ
