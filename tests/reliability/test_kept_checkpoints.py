"""A finished run keeps what raising its epochs needs once, or what was asked for."""

import shutil

import keras
import pytest
import small_run

from kerasnets import runs
from kerasnets.catalog.kept_checkpoints import KEEP
from kerasnets.errors import RunError
from kerasnets.runs.status import state
from kerasnets.storage import digests
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint

EPOCHS = 3
CONSTANT = {"schedule": "constant", "warmup": 0.0}


def recipe(epochs=EPOCHS):
    return small_run.recipe(epochs=epochs, **CONSTANT)


def fit(path, epochs=EPOCHS, **options):
    return small_run.fit(path, on=recipe(epochs), resume=True, **options)


def kept(run) -> list[str]:
    return sorted(path.name for path in run.path.glob("checkpoint/*"))


def epoch_files(*epochs) -> list[str]:
    return [f"epoch-{epoch:05d}.npz" for epoch in epochs]


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A run of one epoch more that was never interrupted."""
    return fingerprint(fit(tmp_path_factory.mktemp("longer") / "run", EPOCHS + 1))


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, epoch_files(3)),
        ({"keep_checkpoints": "last"}, epoch_files(3)),
        ({"keep_checkpoints": "all"}, epoch_files(1, 2, 3)),
    ],
)
def test_epochs_can_be_raised_to_the_same_bits(tmp_path, longer, options, left):
    run = fit(tmp_path / "run", checkpoint_every=Interval(steps=2), **options)
    assert kept(run) == left
    assert state(run.path).state == "complete"
    run = fit(run.path, EPOCHS + 1, **options)
    assert fingerprint(run) == longer
    assert kept(run)[-1] == "epoch-00004.npz"
    assert len(kept(run)) == (4 if "all" in options.values() else 1)
    verification = digests.verify(run.path)
    assert verification is not None and verification.findings == ()


def test_none_are_kept_where_none_are_asked_for(tmp_path, capsys):
    run = fit(tmp_path / "run", keep_checkpoints="none")
    assert not run.checkpoint_folder.exists()
    assert state(run.path).state == "complete"
    fit(run.path)
    assert "is finished" in capsys.readouterr().out
    with pytest.raises(RunError, match="a model but no checkpoint to resume from"):
        fit(run.path, EPOCHS + 1)
    assert run.model_file.exists()


@pytest.mark.parametrize("keep", [None, *KEEP])
def test_a_run_that_trains_has_two(tmp_path, keep):
    class Look(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.found = []

        def on_epoch_begin(self, epoch, logs=None):
            folder = tmp_path / "run" / "checkpoint"
            self.found.append(len(list(folder.glob("*.npz"))))

    look = Look()
    fit(tmp_path / "run", keep_checkpoints=keep, callbacks=[look])
    assert look.found[-3:] == [0, 1, 2]


def test_a_finished_run_changes_only_where_it_is_asked_to(tmp_path, capsys):
    run = fit(tmp_path / "run", keep_checkpoints="all")
    fit(run.path)
    assert kept(run) == epoch_files(1, 2, 3)
    fit(run.path, keep_checkpoints="all")
    assert kept(run) == epoch_files(1, 2, 3)
    fit(run.path, keep_checkpoints="last")
    assert kept(run) == epoch_files(3)
    fit(run.path, keep_checkpoints="none")
    assert not run.checkpoint_folder.exists()
    fit(run.path, keep_checkpoints="none")
    verification = digests.verify(run.path)
    assert verification is not None and verification.findings == ()


def test_a_damaged_last_one_does_not_count(tmp_path):
    run = fit(tmp_path / "run", keep_checkpoints="all")
    last = run.checkpoint_folder / "epoch-00003.npz"
    last.write_bytes(last.read_bytes()[:-100])
    checkpoint.finish(run.checkpoint_folder, "last")
    assert kept(run) == epoch_files(2)
    (run.checkpoint_folder / "epoch-00002.npz").write_bytes(b"")
    checkpoint.finish(run.checkpoint_folder, "last")
    assert kept(run) == epoch_files(2)


def test_a_kill_before_they_go_loses_nothing(tmp_path, longer, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "finish", killed)
        fit(tmp_path / "run", keep_checkpoints="none")
    run = runs.load(tmp_path / "run")
    assert kept(run) == epoch_files(2, 3)
    assert run.model_file.exists()
    assert fingerprint(fit(run.path, EPOCHS + 1)) == longer


def test_the_best_epoch_s_network_is_left_to_who_keeps_it(tmp_path):
    run = fit(tmp_path / "run")
    shutil.copyfile(run.model_file, run.checkpoint_folder / "best-00001.keras")
    checkpoint.finish(run.checkpoint_folder, "none")
    assert kept(run) == ["best-00001.keras"]


def test_other_words_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(RunError, match=r"'lats'\. Did you mean 'last'\?"):
        fit(tmp_path / "run", keep_checkpoints="lats")
    assert not list(tmp_path.iterdir())
