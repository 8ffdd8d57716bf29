"""What a person who writes Python meets: names, paths, and errors in Python's words."""

import re
from pathlib import Path

import pytest
from made_records import add_metrics, make_records

import kerasnets
from kerasnets import datasets, figures, runs
from kerasnets.cli.commands import run as _run
from kerasnets.errors import KerasnetsError, RecipeError, RunError, command_line, option
from kerasnets.recipe import Recipe
from kerasnets.runs.status import state, states
from kerasnets.storage import digests

RECIPE = Recipe.for_paper("resnet18", "digits")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with the run "r80" in artifacts/runs."""
    monkeypatch.chdir(tmp_path)
    make_records(runs.DEFAULT_ROOT / "r80")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["r80", "artifacts/runs/r80", runs.DEFAULT_ROOT / "r80"], ids=str
)
def test_a_run_is_meant_by_its_folder_or_its_name(here, name):
    assert kerasnets.load_run(name).recipe.network == "vgg11"


def test_a_folder_comes_before_a_name(here):
    make_records(here / "r80", epochs=7)
    assert kerasnets.load_run("r80").recipe.epochs == 7


def test_a_name_that_is_not_there_tells_the_nearest(here):
    with pytest.raises(RunError, match=r"no run folder r81\. Did you mean 'r80'\?"):
        kerasnets.load_run("r81")
    with pytest.raises(RunError, match="no run folder r81"):
        kerasnets.evaluate("r81")


@pytest.mark.parametrize("other", [None, 3, b"r80", ["r80"], object], ids=repr)
def test_another_type_than_text_or_a_path_is_one_line(here, other):
    calls = [
        lambda: kerasnets.load_run(other),
        lambda: kerasnets.evaluate(other),
        lambda: figures.draw_training(other),
        lambda: figures.draw_evaluation(other),
        lambda: figures.draw_curves(other),
        lambda: figures.draw_examples(other),
        lambda: figures.draw_validation_confusion(other, ["a"]),
        lambda: kerasnets.fit(RECIPE, "new", device=other),
        lambda: runs.load("r80").results_folder(other),
    ]
    if other is not None:
        calls += [
            lambda: kerasnets.fit(RECIPE, other),
            lambda: kerasnets.fit(RECIPE, "new", data_dir=other),
            lambda: datasets.load("mnist", data_dir=other),
        ]
    if not isinstance(other, int):
        calls += [
            lambda: kerasnets.fit(RECIPE, "new", verbosity=other),
            lambda: kerasnets.fit(RECIPE, "new", confusion_every=other),
        ]
    for call in calls:
        with pytest.raises(KerasnetsError) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 1
    assert not (here / "new").exists()


def test_figures_take_a_run_by_its_name(here):
    assert figures.draw_curves("r80") == runs.DEFAULT_ROOT / "r80" / "curves.png"
    with pytest.raises(RunError, match="no run folder r81"):
        figures.draw_training("r81")
    with pytest.raises(RunError, match=r"unknown split 'tests'\. Did you mean 'te"):
        figures.draw_evaluation("r80", "tests")


def test_paths_may_be_text(here):
    folder = "artifacts/runs"
    assert [one.path.name for one in states(folder)] == ["r80"]
    assert state(f"{folder}/r80").state == "complete"
    assert digests.verify(f"{folder}/r80").findings == ()
    assert runs.newest(folder).path.name == "r80"
    assert runs.is_run(f"{folder}/r80")
    new = runs.create("new", Recipe.for_paper("vgg11", "digits"))
    assert kerasnets.load_run("new").path == new.path


def test_evaluate_finds_a_run_by_its_name(here):
    # It is found, and has weights that no network has.
    with pytest.raises(RunError, match=r"r80/model\.keras cannot be read"):
        kerasnets.evaluate("r80", device="cpu", data_dir="data")


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("lr", "learning_rate"),
        ("bs", "batch_size"),
        ("wd", "weight_decay"),
        ("bn", "batch_norm"),
        ("epoch", "epochs"),
        ("optimiser", "optimizer"),
        ("learningrate", "learning_rate"),
    ],
)
def test_abbreviations_suggest_the_field(named, meant):
    recipe = Recipe.for_paper("resnet18", "digits")
    for wrong in (
        lambda: Recipe.for_paper("resnet18", "digits", **{named: 1}),
        lambda: recipe.replace(**{named: 1}),
    ):
        with pytest.raises(RecipeError, match=f"{named}'. Did you mean '{meant}'"):
            wrong()


def test_replace_changes_what_is_named_and_checks_it():
    recipe = Recipe.for_paper("resnet18", "digits", dropout=0.2)
    other = recipe.replace(epochs=3, learning_rate=0.1)
    assert (other.epochs, other.learning_rate, other.dropout) == (3, 0.1, 0.2)
    assert recipe.epochs != 3
    assert other.replace(epochs=recipe.epochs, learning_rate=0.001) == recipe
    with pytest.raises(RecipeError, match="epochs must be at least 1, not 0"):
        recipe.replace(epochs=0)


def refused(action):
    with pytest.raises(KerasnetsError) as raised:
        action()
    return str(raised.value)


def test_errors_name_what_the_reader_can_write(here, capsys):
    recipe = kerasnets.load_run("r80").recipe
    make_records("unfinished", trained=False)
    (here / "a file").write_text("")
    actions = {
        "resume=True continues it, overwrite=True replaces it, path chooses": (
            lambda: kerasnets.fit(recipe, "artifacts/runs/r80")
        ),
        "needs a folder": lambda: kerasnets.fit(recipe, here / "a file"),
        "resume=True needs the same recipe": (
            lambda: kerasnets.fit(
                recipe.replace(seed=5), "artifacts/runs/r80", resume=True
            )
        ),
        "fit(..., 'unfinished', resume=True)": lambda: kerasnets.evaluate("unfinished"),
        "use split='test'": lambda: kerasnets.evaluate(
            make_monitored(), split="validation"
        ),
    }
    for words, action in actions.items():
        said = refused(action)
        assert words in said
        assert not re.search(r"--\w", said)
        with command_line():
            said = refused(action)
        assert re.search(r"--\w", said)
        assert not re.search(r"\w=(True|')", said)
    command = "fit vgg11 --dataset digits --epochs 2 --out artifacts/runs/r80"
    assert _run(command.split()) == 2
    assert "--resume continues it, --overwrite replaces it, --out" in (
        capsys.readouterr().err
    )


def make_monitored():
    path = runs.DEFAULT_ROOT / "monitored"
    if not path.exists():
        run = make_records(path)
        recipe = run.recipe.replace(validation="test")
        runs.write_text(path / "recipe.json", recipe.to_json())
    return "monitored"


def test_options_and_parameters():
    assert option("batch_size", 5) == "batch_size=5"
    assert option("learning_rate") == "learning_rate"
    with command_line():
        assert option("batch_size", 5) == "--batch-size 5"
        assert option("learning_rate") == "--lr"
        assert option("resume", True) == "--resume"
    assert option("resume", True) == "resume=True"


def test_a_run_without_weights_is_evaluated_no_more(here):
    run = make_records(here / "published")
    add_metrics(run)
    runs.remove(run.model_file)
    for file in run.checkpoint_folder.iterdir():
        runs.remove(file)
    run.checkpoint_folder.rmdir()
    with pytest.raises(RunError, match="it was published without weights"):
        kerasnets.evaluate("published")


@pytest.mark.parametrize(
    ("recipe", "options", "says"),
    [
        ("resnet18", {}, "recipe must be a Recipe"),
        (None, {}, "recipe must be a Recipe"),
        (RECIPE, {"confusion_every": "2"}, "whole number of epochs"),
        (RECIPE, {"confusion_every": 0}, "at least 1"),
        (RECIPE, {"confusion_every": 1.5}, "whole number of epochs"),
    ],
)
def test_what_fit_cannot_take_is_one_line(here, recipe, options, says):
    with pytest.raises(RecipeError, match=says):
        kerasnets.fit(recipe, "new", **options)
    assert not Path("new").exists()
