"""How runs are getting on."""

import json
import shutil

import pytest
from made_records import add_metrics, make_records

from kerasnets import runs
from kerasnets.errors import RunError
from kerasnets.recipe import Recipe
from kerasnets.runs.status import state, states


def test_a_complete_run(tmp_path):
    run = make_records(tmp_path / "run")
    found = state(run.path)
    assert (found.state, found.why) == ("complete", "")
    assert (found.network, found.dataset) == ("vgg11", "digits")
    assert (found.epochs_done, found.epochs) == (2, 2)
    assert (found.best_val_accuracy, found.last_val_accuracy) == (0.89, 0.88)
    assert found.test_accuracy is None
    assert found.seconds == 23.5
    add_metrics(run)
    assert state(run.path).test_accuracy == 0.875


def test_its_size_is_that_of_its_files(tmp_path):
    run = make_records(tmp_path / "run")
    files = [path for path in run.path.rglob("*") if path.is_file()]
    found = state(run.path)
    assert found.size == sum(path.stat().st_size for path in files)
    assert found.checkpoints_size == len("variables")
    shutil.rmtree(run.checkpoint_folder)
    assert state(run.path).checkpoints_size == 0
    (run.path / "recipe.json").write_text("{")
    found = state(run.path)
    assert found.state == "corrupt"
    assert found.size > 0


def test_a_run_that_is_trained_now_and_one_that_was_interrupted(tmp_path):
    run = make_records(tmp_path / "run", done=1, trained=False)
    assert state(run.path).state == "interrupted"
    with run.lock():
        assert state(run.path).state == "running"
    assert state(run.path).state == "interrupted"


def test_a_run_that_has_just_begun(tmp_path):
    run = runs.create(tmp_path / "run", Recipe.for_paper("vgg11", "digits"))
    found = state(run.path)
    assert (found.state, found.epochs_done, found.seconds) == ("interrupted", 0, 0)
    assert found.best_val_accuracy is None


def test_every_epoch_done_but_no_model_is_interrupted(tmp_path):
    run = make_records(tmp_path / "run", trained=False)
    add_metrics(run)
    assert state(run.path).state == "interrupted"
    shutil.rmtree(run.checkpoint_folder)  # published: records alone
    assert state(run.path).state == "complete"


def test_raised_epochs_make_it_interrupted_again(tmp_path):
    run = make_records(tmp_path / "run")
    recipe = json.loads((run.path / "recipe.json").read_text())
    runs.write_json(run.path / "recipe.json", {**recipe, "epochs": 3})
    assert state(run.path).state == "interrupted"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.json", b"{"),
        ("recipe.json", b"[" * 100_000),
        ("recipe.json", b'{"network": "vgg11"}'),
        ("environment.json", b'{"dataset_fingerprint": 1}'),
        ("environment.json", b"\xff"),
        ("metrics.json", b'{"accuracy": NaN}'),
        ("history.csv", b"epoch\n"),
        ("history.csv", b"\0\n\0"),
        ("epoch_times.csv", b"epoch,train_s,validation_s\n1,nan,0\n"),
        ("model.keras", b"not an archive"),
    ],
)
def test_a_damaged_file_makes_it_corrupt_with_one_line(tmp_path, name, content):
    run = make_records(tmp_path / "run")
    (run.path / name).write_bytes(content)
    found = state(run.path)
    assert found.state == "corrupt"
    assert name in found.why
    assert len(found.why.splitlines()) == 1


def test_more_epochs_than_the_recipe_has_make_it_corrupt(tmp_path):
    found = state(make_records(tmp_path / "run", done=3, epochs=2).path)
    assert (found.state, "3 epochs" in found.why) == ("corrupt", True)


def test_folders_in_the_place_of_files_make_it_corrupt(tmp_path):
    for name in ("history.csv", "environment.json", "epoch_times.csv"):
        run = make_records(tmp_path / name)
        (run.path / name).unlink()
        (run.path / name).mkdir()
        assert state(run.path).state == "corrupt"


def test_runs_are_found_in_subfolders_but_not_in_runs(tmp_path):
    for name in ("b", "a/2", "a/1", "b/validation", ".hidden"):
        make_records(tmp_path / name)
    (tmp_path / "a" / "notes").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [one.path.relative_to(tmp_path).as_posix() for one in states(tmp_path)]
    assert found == ["a/1", "a/2", "b"]
    assert [one.path for one in states(tmp_path / "b")] == [tmp_path / "b"]


def test_no_folder(tmp_path):
    assert states(tmp_path) == []
    for path in (tmp_path / "nowhere", __file__):
        with pytest.raises(RunError, match="no folder"):
            states(tmp_path / path)
