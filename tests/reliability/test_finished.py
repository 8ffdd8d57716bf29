"""A run that has ended stays as it is, and is mended where it is damaged."""

import shutil

import pytest
import small_run

from kerasnets import runs
from kerasnets.errors import RunError
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.figures import draw_evaluation, draw_training
from kerasnets.paper.best_epoch import BestEpoch
from kerasnets.runs.results import stale
from kerasnets.storage import digests
from kerasnets.training.callbacks.energy import EnergyLogger
from kerasnets.training.drill import fingerprint


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = small_run.fit(tmp_path_factory.mktemp("finished") / "run")
    evaluate(run, device="cpu")
    evaluate(run, device="cpu", split="validation")
    return run


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "run")
    return runs.load(tmp_path / "run")


def contents(run):
    return {
        path.relative_to(run.path): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file() and path.name not in ("run.log", ".lock")
    }


def test_without_its_checkpoints_it_is_finished_all_the_same(run, capsys):
    shutil.rmtree(run.checkpoint_folder)
    before = contents(run)
    small_run.fit(run.path, resume=True)
    assert "is finished: its 3 epochs are done" in capsys.readouterr().out
    assert contents(run) == before


def test_without_its_checkpoints_it_is_not_begun_anew_for_more_epochs(run):
    shutil.rmtree(run.checkpoint_folder)
    before = contents(run)
    with pytest.raises(RunError, match="a model but no checkpoint to resume from"):
        small_run.fit(run.path, on=small_run.recipe(epochs=4), resume=True)
    assert contents(run) == before


def test_it_is_finished_on_a_machine_that_records_more(run, monkeypatch, capsys):
    def loggers(folder, device):
        return [EnergyLogger(folder, counter=lambda: 0.0)]

    monkeypatch.setattr("kerasnets.training.train_run.energy_loggers", loggers)
    before = contents(run)
    small_run.fit(run.path, resume=True)
    assert "is finished" in capsys.readouterr().out
    assert contents(run) == before


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name",
    ["model.keras", "history.csv", "epoch_times.csv", "validation_confusion.csv"],
)
def test_what_is_damaged_is_made_again_from_the_checkpoint(
    finished, run, name, damage, capsys
):
    DAMAGES[damage](run.path / name)
    small_run.fit(run.path, resume=True)
    assert "resuming after epoch 3" in (run.path / "run.log").read_text()
    assert fingerprint(run) == fingerprint(finished)
    verification = digests.verify(run.path)
    assert verification is not None and verification.findings == ()
    small_run.fit(run.path, resume=True)
    assert "is finished" in capsys.readouterr().out


def test_what_was_measured_of_fewer_epochs_does_not_outlive_them(run):
    assert {path.parent.name for path in run.path.rglob("metrics.json")} == {
        "run",
        "validation",
    }
    trained_alone = small_run.fit(run.path.with_name("alone"))
    draw_training(run)
    evaluate(run, device="cpu", first_batch=True)
    for split in ("test", "validation"):
        draw_evaluation(run, split)
    best = BestEpoch(run.path, run.recipe)
    shutil.copyfile(run.model_file, best.model_file)
    evaluate(best, device="cpu")
    assert stale(run.path) == ()
    small_run.fit(run.path, on=small_run.recipe(epochs=4), resume=True)
    left = {path.relative_to(run.path) for path in run.path.rglob("*")}
    expected = {
        path.relative_to(trained_alone.path)
        for path in trained_alone.path.rglob("*")
        if path.suffix != ".npz"
    }
    assert {path for path in left if path.suffix not in (".npz", ".keras")} == {
        path for path in expected if path.suffix != ".keras"
    }
