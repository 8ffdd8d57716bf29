import json
import os

import pytest

from kerasnets import runs
from kerasnets.errors import RecipeError, RunError
from kerasnets.recipe import Recipe

RECIPE = Recipe.for_paper("vgg11", "digits")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "file.txt"
    runs.write_text(target, "old")
    with (
        pytest.raises(RuntimeError, match="midway"),
        runs.atomic_file(target) as file,
    ):
        file.write("half of the n")
        raise RuntimeError("midway")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_what_json_has_no_word_for(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        runs.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_create_and_load(tmp_path):
    run = runs.create(tmp_path / "deep" / "run", RECIPE)
    assert runs.load(run.path).recipe == RECIPE
    assert run.history == []


def test_an_existing_run_is_kept_unless_overwritten(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    runs.write_csv(run.path / "history.csv", runs.HISTORY_COLUMNS, [[1, 2, 0.5, 3, 0]])
    with pytest.raises(RunError, match="overwrite=True replaces"):
        runs.create(run.path, RECIPE)
    assert [row["loss"] for row in run.history] == [2.0]
    runs.create(run.path, RECIPE, overwrite=True)
    assert run.history == []
    assert list(tmp_path.iterdir()) == [run.path]


def test_a_folder_of_other_files_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="not a run's"):
        runs.create(tmp_path, RECIPE, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_out_may_not_be_a_file_or_inside_one(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for path in (file, file / "run"):
        with pytest.raises(RunError, match="is a file"):
            runs.check_free(path)


def test_two_processes_cannot_write_one_run(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    with (
        run.lock(),
        pytest.raises(RunError, match=f"in use by process {os.getpid()} on "),
        run.lock(),
    ):
        pass
    with run.lock():
        pass


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (None, RunError, "not a run folder"),
        (b"\xff\xfe", RunError, "not a run folder"),
        (b"{", RecipeError, "not valid JSON"),
        (b"[]", RecipeError, "not a JSON object"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path, content, error, says):
    if content is not None:
        (tmp_path / "recipe.json").write_bytes(content)
    with pytest.raises(error, match=says):
        runs.load(tmp_path)


def test_a_run_that_is_held_is_not_replaced(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    with run.lock(), pytest.raises(RunError, match="in use by process"):
        runs.create(run.path, RECIPE, overwrite=True)
    assert list(tmp_path.iterdir()) == [run.path]
    assert runs.load(run.path).recipe == RECIPE


@pytest.mark.parametrize(
    "name", ["model.keras", "history.csv", "run.log", "checkpoint"]
)
def test_a_run_with_links_is_refused(tmp_path, name):
    run = runs.create(tmp_path / "run", RECIPE)
    (tmp_path / "elsewhere").mkdir()
    (run.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=f"{name} is a link"):
        runs.load(run.path)


def test_a_link_to_a_run_is_the_run(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    (tmp_path / "link").symlink_to(run.path)
    assert runs.load(tmp_path / "link").recipe == RECIPE


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "lacks the column 'epoch'"),
        ("loss\n1\n", "lacks the column 'epoch'"),
        ("epoch,loss,accuracy,val_loss,val_accuracy\n1,1,1\n", "a row of 3 values"),
        ("epoch,loss,accuracy,val_loss,val_accuracy\n1,1,1,x,1\n", "than numbers"),
        ("epoch,loss,accuracy,val_loss,val_accuracy\n2,1,1,1,1\n", "in order"),
        ("epoch,loss,accuracy,val_loss,val_accuracy,loss\n", "a column twice"),
        ('epoch,loss,accuracy,val_loss,val_accuracy\n"1', "not a table"),
    ],
)
def test_a_history_of_another_shape_is_refused(tmp_path, table, says):
    run = runs.create(tmp_path / "run", RECIPE)
    runs.write_text(run.path / "history.csv", table)
    with pytest.raises(RunError, match=says):
        _ = run.history


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_make_readers_wait(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    os.mkfifo(run.path / "history.csv")
    with pytest.raises(RunError, match="is not a file"):
        _ = run.history
    with pytest.raises(RunError, match="device"):
        runs.load(run.path)


def test_newest_is_the_run_trained_last(tmp_path):
    with pytest.raises(RunError, match="no trained run"):
        runs.newest(tmp_path)
    for name in ("b", "a"):
        runs.create(tmp_path / name, RECIPE)
        runs.write_text(tmp_path / name / "model.keras", name)
    runs.create(tmp_path / "c", RECIPE)
    assert runs.newest(tmp_path).path == tmp_path / "a"


def test_newest_looks_into_folders_of_runs_but_not_into_hidden_ones(tmp_path):
    for name in ("flat", "group/nested", ".old/run"):
        runs.create(tmp_path / name, RECIPE)
        runs.write_text(tmp_path / name / "model.keras", name)
    assert runs.newest(tmp_path).path == tmp_path / "group" / "nested"


def test_half_written_files_of_a_killed_process_are_removed(tmp_path):
    run = runs.create(tmp_path / "run", RECIPE)
    run.checkpoint_folder.mkdir()
    (run.checkpoint_folder / ".tmp-123-epoch-00001.npz").write_text("half")
    run.clear_temporary_files()
    assert [file.name for file in run.path.rglob("*.npz")] == []
    assert json.loads((run.path / "recipe.json").read_text())["network"] == "vgg11"
