"""A comparison says what the records say, and compares only what can be."""

import csv
import json
import re

import numpy as np
import pytest
from made_runs import PARAMETERS, labels, make_run, write_predictions
from PIL import Image
from scipy.stats import binomtest, sem, t

from kerasnets import runs
from kerasnets.cli.commands import run as _run
from kerasnets.comparison.compare import compare, pareto_front
from kerasnets.comparison.pages import accuracy_table, comparison_page, cost_table
from kerasnets.errors import RunError
from kerasnets.figures import draw_pareto


def test_rows_hold_the_records(tmp_path):
    first = make_run(tmp_path / "first", wrong=range(36), accuracies=(0.5, 0.8, 0.7))
    second = make_run(tmp_path / "second", wrong=range(30, 48), epoch_s=5.0)
    comparison = compare([first, second])
    row = comparison.rows[0]
    assert (row.label, row.network, row.dataset) == ("first", "ResNet-18", "digits")
    assert (row.test_accuracy, row.test_loss, row.test_images) == (0.9, 0.5, 360)
    wilson = binomtest(324, 360).proportion_ci(method="wilson")
    assert (row.interval.low, row.interval.high) == (wilson.low, wilson.high)
    assert (row.epochs, row.validation_accuracy) == (3, 0.7)
    assert (row.seconds_per_epoch, row.total_s) == (10, 30)
    assert row.images_per_s == pytest.approx(1293 / 9)
    assert row.parameters == PARAMETERS
    assert row.flops == 2 * row.macs > 0
    assert comparison.notes == ()

    (pair,) = comparison.mcnemar
    # The first alone is wrong on 0 to 29, the second alone on 36 to 47.
    assert (pair.test.only_first, pair.test.only_second) == (12, 30)
    assert pair.test.p == pair.holm_p == binomtest(12, 42).pvalue
    assert pair.test.difference == pytest.approx(0.05)
    assert comparison.agreement == ((1, 1 - 42 / 360), (1 - 42 / 360, 1))


def test_runs_that_differ_in_their_seed_only_are_averaged(tmp_path):
    """The paired differences vary less than the accuracies, which share the seed."""
    wrong = {"plain": (90, 54, 72), "helped": (72, 36, 60)}  # of 360
    chosen = [
        make_run(
            tmp_path / f"{name}-seed{seed}", wrong=range(count), **options, seed=seed
        )
        for name, options in (("plain", {}), ("helped", {"momentum": 0.0}))
        for seed, count in enumerate(wrong[name])
    ]
    # The same seed again, and a single run, make no group.
    chosen.append(make_run(tmp_path / "again", wrong=range(90), seed=0))
    chosen.append(make_run(tmp_path / "alone", wrong=range(9), dropout=0.5))
    comparison = compare(chosen)
    plain, helped = comparison.over_seeds
    assert (plain.name, helped.name) == ("plain", "helped")
    assert helped.seeds == (0, 1, 2)
    assert helped.labels == ("helped-seed0", "helped-seed1", "helped-seed2")
    assert plain.mean == pytest.approx(0.8)

    def interval(values):
        return t.interval(0.95, 2, np.mean(values), sem(values))

    accuracies = [1 - count / 360 for count in wrong["plain"]]
    found = plain.interval
    assert (found.low, found.high) == pytest.approx(interval(accuracies))
    (pair,) = comparison.seed_tests
    assert (pair.first, pair.second, pair.seeds) == ("plain", "helped", (0, 1, 2))
    assert pair.difference == pytest.approx(48 / 3 / 360)
    found = pair.interval
    expected = interval([18 / 360, 18 / 360, 12 / 360])
    assert (found.low, found.high) == pytest.approx(expected)
    page = comparison_page(comparison).markdown()
    assert "| plain | 3 | 80.00% |" in page
    assert "| plain | helped | 3 | +4.44 | +2.05 to +6.83 |" in page
    assert "## Over seeds" not in comparison_page(compare(chosen[:1] * 2)).markdown()


def test_energy_is_shown_where_a_device_counts_it(tmp_path):
    counted = make_run(tmp_path / "counted", epoch_j=1500.0)
    other = make_run(tmp_path / "other")
    comparison = compare([counted, other])
    assert [row.energy_j for row in comparison.rows] == [3000, None]
    table = cost_table(comparison)
    assert [row[table.columns.index("energy (kJ)")] for row in table.rows] == [
        "3.0",
        "",
    ]
    assert "energy (kJ)" not in cost_table(compare([other, other])).columns


def test_where_weights_come_from_is_shown(tmp_path):
    drawn, other = make_run(tmp_path / "drawn"), make_run(tmp_path / "other")
    table = accuracy_table(compare([drawn, other]))
    assert "weights from" not in table.columns
    begun = make_run(
        tmp_path / "begun",
        weights="imagenet",
        weights_sha256="f37072fd" * 8,
        freeze="stages:2",
        unfreeze_after=1,
    )
    table = accuracy_table(compare([drawn, begun]))
    place = table.columns.index("weights from")
    assert [row[place] for row in table.rows] == [
        "random",
        "imagenet (SHA-256 f37072fd), stages:2 frozen for 1 epoch",
    ]


def test_holm_counts_all_pairs(tmp_path):
    chosen = [
        make_run(tmp_path / str(count), wrong=range(count)) for count in (0, 6, 40)
    ]
    tests = compare(chosen).mcnemar
    assert [(t.first, t.second) for t in tests] == [
        ("0", "6"),
        ("0", "40"),
        ("6", "40"),
    ]
    smallest = min(tests, key=lambda pair: pair.test.p)
    assert smallest.holm_p == 3 * smallest.test.p


def test_runs_that_are_not_evaluated_are_compared_as_far_as_they_go(tmp_path):
    first = make_run(tmp_path / "first")
    second = make_run(tmp_path / "second", wrong=None, epochs=5, epoch_s=None)
    comparison = compare([first, second])
    row = comparison.rows[1]
    assert (row.test_accuracy, row.interval, row.total_s) == (None, None, None)
    assert row.validation_accuracy == 0.9
    assert comparison.mcnemar == ()
    assert comparison.agreement == ((1, None), (None, None))
    text = " ".join(comparison.notes)
    assert "Not evaluated on the test split yet: second" in text
    assert "second (2 of 5 epochs)" in text
    assert "No times of every epoch: second" in text


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"environment": {"dataset_fingerprint": "other"}}, "fingerprints"),
        ({"metrics": {"data_changed": True}}, "not trained on"),
        ({"dataset": "mnist"}, "within a dataset only"),
    ],
)
def test_other_images_are_not_compared(tmp_path, other, says):
    first = make_run(tmp_path / "first", wrong=range(3))
    comparison = compare([first, make_other(tmp_path / "second", **other)])
    assert comparison.mcnemar == ()
    assert comparison.agreement == ((1, None), (None, 1))
    assert says in " ".join(comparison.notes)
    assert all(len(front.among) == 1 for front in comparison.pareto)


def make_other(path, dataset="digits", **named):
    run = make_run(path, **named)
    recipe = json.loads((path / "recipe.json").read_text())
    runs.write_json(path / "recipe.json", {**recipe, "dataset": dataset})
    return runs.load(run.path)


def test_other_test_images_of_the_same_dataset(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    other = labels()[::-1]
    write_predictions(second, other, other)
    comparison = compare([first, second])
    assert comparison.mcnemar == ()
    assert "their test images are different" in comparison.notes[0]


def test_images_resized_otherwise_are_the_same_images(tmp_path):
    first = make_run(tmp_path / "a", wrong=[1])
    second = make_run(
        tmp_path / "b",
        wrong=[2],
        image_size=16,
        environment={"dataset_fingerprint": "of larger images"},
    )
    assert len(compare([first, second]).mcnemar) == 1


def test_times_of_other_devices_have_fronts_of_their_own(tmp_path):
    slow = make_run(tmp_path / "slow", wrong=[], epoch_s=100.0)
    fast = make_run(
        tmp_path / "fast", wrong=[1, 2], environment={"device_name": "another"}
    )
    comparison = compare([slow, fast])
    by_time = [front.front for front in comparison.pareto if front.cost == "total_s"]
    assert by_time == [("slow",), ("fast",)]
    assert [f.front for f in comparison.pareto if f.cost == "flops"] == [("slow",)]
    assert "different devices" in comparison.notes[0]


def test_pareto_front():
    points = {"a": (1, 0.5), "b": (2, 0.9), "c": (3, 0.8), "d": (3, 0.9), "e": (1, 0.5)}
    assert pareto_front(points) == ("a", "e", "b")
    assert pareto_front({}) == ()


def test_runs_without_an_epoch_are_left_out(tmp_path):
    chosen = [make_run(tmp_path / name) for name in "ab"]
    chosen.append(make_run(tmp_path / "begun", wrong=None, accuracies=(), epoch_s=None))
    comparison = compare(chosen)
    assert [row.label for row in comparison.rows] == ["a", "b"]
    assert "begun" in comparison.notes[0]
    with pytest.raises(RunError, match="two runs or more"):
        compare(chosen[1:])


COLUMNS = ",".join(runs.HISTORY_COLUMNS)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("history.csv", "epoch,loss\n1,2\n", "lacks the column 'accuracy'"),
        ("history.csv", f"{COLUMNS}\n1,1,0.5,nan,0.5\n", "finite"),
        ("epoch_times.csv", "epoch,train_s\n1,a\n", "does not hold epoch times"),
        ("environment.json", "{}", "lacks the field 'dataset_fingerprint'"),
        ("metrics.json", "{}", "lacks the field 'network'"),
        ("metrics.json", "[", "is damaged"),
        ("predictions.csv", "index,label\n", "lacks the column"),
    ],
)
def test_damaged_records_are_one_line(tmp_path, capsys, file, text, says):
    for name in "ab":
        make_run(tmp_path / name)
    runs.write_text(tmp_path / "b" / file, text)
    with pytest.raises(RunError, match=says):
        compare([runs.load(tmp_path / name) for name in "ab"])
    out = tmp_path / "out"
    assert _run(["compare", str(tmp_path / "*"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_predictions_of_another_evaluation_are_refused(tmp_path):
    run = make_run(tmp_path / "a", wrong=range(9))
    write_predictions(run, labels(), labels())
    with pytest.raises(RunError, match="evaluate the run again"):
        compare([run, make_run(tmp_path / "b")])


def test_the_command_writes_every_file(tmp_path, capsys):
    for number, name in enumerate(("a|b", "[red]", "third")):
        make_run(tmp_path / "runs" / name, wrong=range(9 * number))
    out = tmp_path / "out"
    arguments = ["compare", str(tmp_path / "runs"), "--out", str(out)]
    assert _run(arguments) == 0
    screen = capsys.readouterr().out
    assert "[red]" in screen and "97.50%" in screen and str(out) in screen
    assert {path.name for path in out.iterdir()} == {
        *(f"comparison.{kind}" for kind in ("json", "csv", "md")),
        *(
            f"{figure}.{kind}"
            for figure in ("curves", "pareto")
            for kind in ("png", "svg")
        ),
        "mcnemar.csv",
        "agreement.csv",
    }
    page = (out / "comparison.md").read_text()
    assert "a\\|b" in page and "curves.png" in page
    with (out / "comparison.csv").open() as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    report = json.loads((out / "comparison.json").read_text())
    for row in report["rows"]:
        assert float(rows[row["label"]]["test_accuracy"]) == row["test_accuracy"]
        assert float(rows[row["label"]]["interval_low"]) == row["interval"]["low"]
    for name in ("curves", "pareto"):
        with Image.open(out / f"{name}.png") as image:
            assert image.width == 1400
            assert len(set(image.convert("L").resize((99, 99)).tobytes())) > 10
        assert (out / f"{name}.svg").read_text().lstrip().startswith("<?xml")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert _run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == report
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_run_far_below_the_others_is_named_not_drawn(tmp_path):
    """Here it is the only one on the front, as the others take longer."""
    good = [make_run(tmp_path / f"good{n}", wrong=range(n)) for n in (9, 18)]
    bad = make_run(tmp_path / "collapsed", wrong=range(324), epoch_s=5.0)
    report = compare([*good, bad]).to_json()
    svg = draw_pareto(report, tmp_path / "pareto.svg").read_text()
    assert "Digits (far below: collapsed, 10.00%)" in svg
    ticks = [float(tick) for tick in re.findall(r"<!-- ([\d.]+)% -->", svg)]
    assert ticks and min(ticks) > 80


def test_folders_with_other_files_are_left_alone(tmp_path, capsys):
    for name in "ab":
        make_run(tmp_path / "runs" / name)
    for out in (
        tmp_path / "runs",
        tmp_path / "runs" / "a",
        tmp_path / "runs/a/run.log",
    ):
        if out.suffix:
            out.write_text("a file")
        before = sorted(tmp_path.rglob("*"))
        assert _run(["compare", str(tmp_path / "runs"), "--out", str(out)]) == 2
        assert "choose another --out" in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before


def test_many_runs_with_long_names_can_be_drawn(tmp_path):
    random = np.random.default_rng(0)
    for number in range(9):
        make_run(
            tmp_path / "runs" / f"a run with a name that takes its space {number}",
            wrong=random.choice(360, 30 + number, replace=False),
            accuracies=np.sort(random.uniform(0.2, 1, 25)).tolist(),
        )
    assert (
        _run(["compare", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    )
    with Image.open(tmp_path / "out" / "curves.png") as image:
        assert image.height < 2000
