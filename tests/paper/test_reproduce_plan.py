"""What a study plans, and when it is refused."""

import dataclasses
from pathlib import Path

import pytest

from kerasnets import runs
from kerasnets.catalog.datasets import DATASETS
from kerasnets.cli.commands import run as command
from kerasnets.compute.execution import Execution
from kerasnets.errors import RecipeError, RunError
from kerasnets.paper import plan as plans
from kerasnets.paper.plan import Study, chosen_rows, load, plan
from kerasnets.paper.reproduction.estimate import estimate, images
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import SCALES, recipe_at

ROOT = Path(__file__).parents[2]


def begun(path, **named) -> Study:
    study = plan(path, **named)
    plans.begin(study)
    return study


@pytest.mark.parametrize("row", PAPER)
def test_the_paper_scale_is_the_papers_recipe(row):
    assert recipe_at("paper", row) == PAPER[row].recipe


@pytest.mark.parametrize("scale", ["quick", "smoke"])
def test_a_smaller_scale_keeps_networks_and_treats_a_dataset_alike(scale):
    for dataset in ("mnist", "cifar10"):
        recipes = [
            recipe_at(scale, row)
            for row, paper in PAPER.items()
            if paper.recipe.dataset == dataset
        ]
        assert len({(r.dataset, r.limit, r.epochs, r.batch_size) for r in recipes}) == 1
        assert recipes[0].limit < DATASETS[dataset].train
    for row, paper in PAPER.items():
        for name in ("network", "batch_norm", "dropout", "glorot", "learning_rate"):
            assert getattr(recipe_at(scale, row), name) == getattr(paper.recipe, name)


def test_the_docs_say_what_the_scales_are():
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    for dataset, changes in SCALES["quick"].changes.items():
        assert f"{changes['limit']:,} images, {changes['epochs']} epochs" in page, (
            dataset
        )
    digits = SCALES["smoke"].changes["mnist"]
    assert (
        f"{digits['limit']} images, {digits['epochs']} epochs, batch size "
        f"{digits['batch_size']}"
    ) in page
    for name in SCALES:
        assert f"| `{name}` |" in page


def test_the_plan_is_nine_rows_a_seed_table_by_table(tmp_path):
    study = plan(tmp_path / "study", scale="quick", seeds=2)
    assert [one.row for one in study.runs] == 2 * list(PAPER)
    assert [one.seed for one in study.runs] == 9 * [0] + 9 * [1]
    assert all(one.recipe.seed == one.seed for one in study.runs)
    assert not (tmp_path / "study").exists()


def test_what_is_not_named_is_as_in_the_folder(tmp_path):
    path = tmp_path / "study"
    study = begun(path, scale="smoke", seeds=3, assumptions={"momentum": 0.0})
    assert plan(path) == load(path) == study
    assert plan(path).recipe("mnist-densenet121").momentum == 0
    assert plan(path, seeds=5).seeds == 5


def test_a_study_from_before_it_was_recorded_goes_on_with_its_weights(tmp_path):
    path = tmp_path / "study"
    assert begun(path, scale="smoke").runs[0].recipe.initial_weights == "numpy"
    record = runs.read_json(path / "study.json")
    for recipe in record["rows"].values():
        del recipe["initial_weights"]
    runs.write_json(path / "study.json", record)
    assert {one.recipe.initial_weights for one in plan(path, seeds=2).runs} == {
        "backend"
    }
    plans.begin(plan(path, seeds=2))
    assert load(path).runs[0].recipe.initial_weights == "backend"


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"scale": "paper"}, "is a study with scale smoke, not paper; leave scale"),
        ({"seeds": 1}, "with seeds 2, not 1"),
        ({"assumptions": {"momentum": 0.5}}, "with momentum 0.9, not 0.5"),
        ({"assumptions": {"validation": "test"}}, "with validation 0.1, not test"),
    ],
)
def test_a_study_that_disagrees_is_refused(tmp_path, named, says):
    path = tmp_path / "study"
    begun(path, scale="smoke", seeds=2)
    before = (path / "study.json").read_bytes()
    with pytest.raises(RunError, match=says):
        plan(path, **named)
    assert (path / "study.json").read_bytes() == before


def test_a_study_of_other_recipes_is_refused_by_row_and_field(tmp_path, monkeypatch):
    path = tmp_path / "study"
    begun(path, scale="smoke")
    changed = {name: {"epochs": 7} for name in ("mnist", "cifar10")}
    scale = dataclasses.replace(SCALES["smoke"], changes=changed)
    monkeypatch.setitem(SCALES, "smoke", scale)
    with pytest.raises(RunError, match=r"made with .* for mnist-vgg19-original"):
        plan(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"scale": "huge"}', '{"scale": "smoke", "seeds": "x"}']
)
def test_a_damaged_study_is_one_line(tmp_path, text):
    path = tmp_path / "study"
    begun(path, scale="smoke")
    runs.write_text(path / "study.json", text)
    with pytest.raises(RunError) as raised:
        plan(path)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change", [{"seeds": 0}, {"rows": {}}, {"rows": {"mnist-vgg19-original": {}}}]
)
def test_a_study_without_runs_is_one_line(tmp_path, change):
    path = tmp_path / "study"
    begun(path, scale="smoke")
    record = runs.read_json(path / "study.json")
    runs.write_json(path / "study.json", record | change)
    with pytest.raises(RunError, match="does not describe a study"):
        plan(path)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not a study"):
        plan(tmp_path)


def test_rows_are_chosen_by_name(tmp_path):
    study = plan(tmp_path / "study")
    assert chosen_rows(study, ()) == tuple(PAPER)
    two = ("cifar10-densenet121", "mnist-vgg19-original")
    assert chosen_rows(study, two) == (two[1], two[0])
    with pytest.raises(RecipeError, match="Did you mean 'mnist-densenet121'"):
        chosen_rows(study, ["mnist-densenet"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("mnist-densnet121", "Did you mean 'mnist-densenet121'"),
        ("--scale qiuck", "Did you mean 'quick'"),
        ("--seeds 0", "0"),
        ("--momentum 2 --scale smoke", "momentum must be in [0, 1)"),
        ("--validation none --scale smoke", "validation"),
        ("--scale smoke --device cuda:7", "CUDA"),
        ("--scale smoke --engine tf", "unknown engine 'tf'"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    arguments, says, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert command(["reproduce", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert list(tmp_path.rglob("*")) == []


def test_images_are_counted_as_the_data_is_split():
    quick = recipe_at("quick", "mnist-densenet121")
    assert images(quick) == (5400, 600, 10000)
    paper = recipe_at("paper", "cifar10-densenet121", validation="test")
    assert images(paper) == (50000, 10000, 10000)


def test_a_dry_run_measures_each_network_once_and_writes_nothing(tmp_path, tiny):
    study = plan(tmp_path / "study", scale=tiny)
    measured: list[str] = []
    found = estimate(study.runs[:2], execution=Execution("cpu"), say=measured.append)
    assert len(found) == 2
    assert measured == [f"measuring {study.rows[0]}"]  # the second is the same network
    assert all(one.seconds > 0 and one.train_images == 54 for one in found)
    assert not (tmp_path / "study").exists()


def test_a_dry_run_prints_the_plan(tmp_path, capsys, narrow_networks):
    out = tmp_path / "study"
    arguments = f"--scale smoke --dry-run --device cpu --out {out} mnist-densenet121"
    assert command(["reproduce", *arguments.split()]) == 0
    assert "mnist-densenet121-seed0" in capsys.readouterr().out
    assert not out.exists()


def test_what_the_paper_says_is_no_assumption(tmp_path):
    with pytest.raises(RecipeError, match="unknown assumption 'epochs'"):
        plan(tmp_path / "study", assumptions={"epochs": 3})
