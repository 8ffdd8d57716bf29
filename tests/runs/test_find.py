"""Runs are found by folder, pattern and name, and told apart by short labels."""

import pytest
from made_runs import make_run

from kerasnets.errors import RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.find import find_runs, labels


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mnist/a/seed-0", "mnist/a/seed-1", "cifar/a/seed-0", ".old"):
        make_run(tmp_path / "study" / name, wrong=None)
    make_run(tmp_path / "artifacts" / "runs" / "named", wrong=None)
    (tmp_path / "empty").mkdir()


def found(*names: str) -> list[str]:
    return [run.path.as_posix() for run in find_runs(names)]


def test_a_folder_means_all_runs_below_it(study):
    assert found("study/mnist") == ["study/mnist/a/seed-0", "study/mnist/a/seed-1"]
    assert len(found("study")) == 3  # not the hidden one


def test_patterns_names_and_folders_each_run_once(study, tmp_path):
    assert found("study/*/a/seed-0") == ["study/cifar/a/seed-0", "study/mnist/a/seed-0"]
    assert found("named") == ["artifacts/runs/named"]
    assert found(f"{tmp_path}/study/m*") == [
        f"{tmp_path.as_posix()}/study/mnist/a/seed-{seed}" for seed in (0, 1)
    ]
    again = found("study/mnist/a/seed-1", "study/mnist", "study/**/seed-1")
    assert again == ["study/mnist/a/seed-1", "study/mnist/a/seed-0"]


def test_labels_are_as_short_as_can_be(study):
    chosen = find_runs(["study", "named"])
    assert labels(chosen) == [
        "cifar/a/seed-0",
        "mnist/a/seed-0 (Digits)",  # which is what was measured
        "seed-1",
        "named",
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nmaed", "Did you mean 'named'"),
        ("empty", "none below it"),
        ("study/x*", "unknown run"),
    ],
)
def test_what_is_no_run_is_said(study, name, says):
    with pytest.raises(RunError, match=says):
        find_runs([name])


def test_a_seed_that_all_have_is_left_out(tmp_path):
    recipe = Recipe.for_paper("vgg11", "digits")

    def named(*names: str) -> list[str]:
        return labels([Run(tmp_path / name, recipe) for name in names])

    assert named("vgg-seed0", "resnet-seed0") == ["vgg", "resnet"]
    assert named("vgg-seed0", "vgg-seed1") == ["vgg-seed0", "vgg-seed1"]
    assert named("vgg-seed0", "resnet") == ["vgg-seed0", "resnet"]
    assert named("a/-seed0", "b/-seed0") == ["a/-seed0", "b/-seed0"]
