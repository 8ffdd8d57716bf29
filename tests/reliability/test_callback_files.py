"""Where a callback cannot write its files, no run is begun."""

import keras
import pytest
import small_run

from kerasnets.errors import RecipeError

C = keras.callbacks


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "file").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["nowhere/x.csv", "/proc/x.csv", "/proc/x/y.csv", "file/x.csv", "folder.keras"],
)
def test_a_table_that_cannot_be_written(here, name):
    refused(here, C.CSVLogger(name), "CSVLogger cannot write its files")


@pytest.mark.parametrize(
    "name",
    [
        *("/proc/x/best.keras", "/proc/{epoch}/x.keras", "/proc/{epoch}.keras"),
        *("file/best.keras", "file/{epoch}/x.keras", "folder.keras"),
        "x" * 300 + "/best.keras",
    ],
    ids=lambda name: name[:30],
)
def test_networks_that_cannot_be_written(here, name):
    refused(here, C.ModelCheckpoint(name), "ModelCheckpoint cannot write its files")


def refused(here, callback, says: str) -> None:
    before = sorted(here.rglob("*"))
    with pytest.raises(RecipeError, match=says) as caught:
        small_run.fit(here / "run", callbacks=callback)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(here.rglob("*")) == before


def test_a_callback_that_fails_before_the_first_step_leaves_no_run(here):
    class Failing(C.Callback):
        def on_train_begin(self, logs=None):
            raise LookupError("mine")

    before = sorted(here.rglob("*"))
    with pytest.raises(LookupError, match="mine"):
        small_run.fit(here / "run", callbacks=Failing())
    assert sorted(here.rglob("*")) == before
    small_run.fit(here / "run")


def test_files_in_a_folder_that_training_makes(here):
    callbacks = [C.CSVLogger("run/log.csv"), C.ModelCheckpoint("new/{epoch}.keras")]
    small_run.fit(here / "run", on=small_run.recipe(epochs=2), callbacks=callbacks)
    assert (here / "run/log.csv").read_text().count("\n") == 3
    assert (here / "new/2.keras").is_file()


def test_intervals_that_training_is_over_before_are_said(here, capsys):
    options = {"confusion_every": 9, "checkpoint_every": 5000}
    recipe = small_run.recipe(epochs=2, early_stopping=1)
    small_run.fit(here / "run", on=recipe, **options)
    said = " ".join(capsys.readouterr().out.split())
    assert "early_stopping=1 has no effect: training has 2 epochs" in said
    assert "confusion_every=9: training has 2 epochs" in said
    assert "checkpoint_every=5000: an epoch has 6 steps" in said
    small_run.fit(
        here / "usual",
        on=small_run.recipe(epochs=3, early_stopping=1),
        confusion_every=3,
        checkpoint_every=5,
    )
    said = capsys.readouterr().out
    for name in ("confusion_every", "checkpoint_every", "early_stopping"):
        assert name not in said
