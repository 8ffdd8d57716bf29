"""Keras's own callbacks in a run, and what they know after it was interrupted."""

import contextlib
import dataclasses
import json

import keras
import numpy as np
import pytest
import small_run
from backend_here import not_under
from test_resume import EVERY_STEP, Interrupt, with_jax

from kerasnets import runs
from kerasnets.errors import RecipeError, RunError
from kerasnets.runs.status import state
from kerasnets.training import checkpoint
from kerasnets.training.callbacks import callback_state
from kerasnets.training.callbacks.best_weights import BestWeights
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint

C = keras.callbacks
EPOCHS = 4
RECIPE = small_run.recipe(
    schedule="constant", warmup=0.0, epochs=EPOCHS, learning_rate=0.02
)


class Count(C.Callback):
    """A user's own, with a state of every kind that a checkpoint keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.state = {"seen": 0, "losses": [], "mean": np.zeros(2), "last": None}

    def on_train_batch_end(self, batch, logs=None):
        self.state["seen"] += 1
        self.state["mean"] = self.state["mean"] * 0.9 + [batch, logs["loss"]]

    def on_epoch_end(self, epoch, logs=None):
        self.state["losses"].append(logs["val_loss"])
        self.state["last"] = f"epoch {epoch}"

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state


def decays(epoch, rate):
    return rate * 0.7


# Each makes callbacks that act differently where they forget what was before.
MADE = {
    "EarlyStopping": lambda folder: [
        C.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    ],
    "ReduceLROnPlateau": lambda folder: [
        C.ReduceLROnPlateau("val_loss", patience=2, factor=0.3, cooldown=5)
    ],
    "LearningRateScheduler": lambda folder: [C.LearningRateScheduler(decays)],
    "ModelCheckpoint": lambda folder: [
        C.ModelCheckpoint(folder / "best.keras", save_best_only=True),
        C.ModelCheckpoint(
            folder / "{epoch}-{batch}-{loss:.3f}.weights.h5",
            save_weights_only=True,
            save_freq=5,
        ),
        C.ModelCheckpoint(
            folder / "often.keras", "loss", save_best_only=True, save_freq=8
        ),
    ],
    "CSVLogger": lambda folder: [
        C.CSVLogger(folder / "log.csv"),
        C.CSVLogger(folder / "more.csv", separator=";", append=True),
    ],
    "History": lambda folder: [C.History()],
    "LambdaCallback": lambda folder: [
        C.LambdaCallback(
            on_train_batch_end=lambda batch, logs: (folder / "steps").write_text(
                json.dumps([batch, logs])
            )
        )
    ],
    "ProgbarLogger": lambda folder: [C.ProgbarLogger()],
    "TerminateOnNaN": lambda folder: [C.TerminateOnNaN()],
    "RemoteMonitor": lambda folder: [C.RemoteMonitor("http://127.0.0.1:9")],
    "Callback": lambda folder: [Count(), C.Callback()],
    "CallbackList": lambda folder: C.CallbackList([C.History()]),
    "several": lambda folder: [
        C.CSVLogger(folder / "log.csv"),
        C.EarlyStopping("val_loss", patience=9, restore_best_weights=True),
        C.EarlyStopping("val_accuracy", patience=3),
        C.ReduceLROnPlateau("val_loss", patience=0, factor=0.5, min_delta=9),
    ],
}
# These know nothing that lasts: what they tell and write is looked at all at once.
STATELESS = ("History", "LambdaCallback", "ProgbarLogger", "TerminateOnNaN")
MADE["stateless"] = lambda folder: [
    one for name in STATELESS for one in MADE[name](folder)
]
# These do not meet: one run has them all, whose state each has to itself.
APART = ("LearningRateScheduler", "CSVLogger", "RemoteMonitor", "Callback")
MADE["apart"] = lambda folder: [one for name in APART for one in MADE[name](folder)]
REFUSED = {
    "BackupAndRestore": lambda: C.BackupAndRestore("backup"),
    "OrbaxCheckpoint": lambda: C.OrbaxCheckpoint.__new__(C.OrbaxCheckpoint),
    "SwapEMAWeights": lambda: C.SwapEMAWeights(),
}
NEEDS_TENSORFLOW = {"TensorBoard"}


def test_every_callback_of_keras_is_looked_at():
    known = {*MADE, *REFUSED, *NEEDS_TENSORFLOW} - {"several", "stateless", "apart"}
    assert {name for name in dir(C) if name[0].isupper()} == known


def trained(folder, name, *more, **options):
    """Callbacks, and the run that they were used in."""
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    callbacks = MADE[name](files)
    flat = callbacks.callbacks if name == "CallbackList" else callbacks
    given = [*flat, *more] if more else callbacks
    run = small_run.fit(
        folder / "run",
        on=RECIPE,
        callbacks=given,
        resume=True,
        checkpoint_every=EVERY_STEP,
        **options,
    )
    return flat, run


def known_of(callbacks, folder):
    """What callbacks know, and what they have written."""
    arrays = []

    def keep(array):
        arrays.append(array.tobytes())
        return str(len(arrays))

    states = [
        (one.callback, callback_state.packed(one.values, keep))
        for one in callback_state.states_of(callbacks)
    ]
    files = {}
    for path in sorted((folder / "files").iterdir()):
        if path.suffix == ".keras":
            kept = keras.saving.load_model(path).get_weights()
            files[path.name] = [weight.tobytes() for weight in kept]
        elif path.suffix == ".h5":
            files[path.name] = True
        else:
            files[path.name] = path.read_bytes()
    return states, arrays, files


class InterruptAfter(C.Callback):
    """Ends the process after callbacks have seen an epoch's end, and before it is in a
    checkpoint."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """By name, what comes of a run that is never interrupted."""
    found = {}

    def get(name):
        if name not in found:
            folder = tmp_path_factory.mktemp(name)
            callbacks, run = trained(folder, name)
            environment = json.loads((run.path / "environment.json").read_text())
            found[name] = (
                fingerprint(run),
                known_of(callbacks, folder),
                environment.get("stopped_early"),
            )
        return found[name]

    return get


STEPS = small_run.STEPS


ONE_OF_MANY = (*STATELESS, *APART)
WITHIN, BETWEEN = [(Interrupt, STEPS + 3)], [(InterruptAfter, 2)]  # epochs
SERIES = [
    [(Interrupt, 2), (Interrupt, 4), (InterruptAfter, 1), (Interrupt, 9)],
    *([(Interrupt, step)] for step in range(1, EPOCHS * STEPS)),
]


@pytest.mark.parametrize(
    ("name", "interrupts"),
    [
        *((name, WITHIN) for name in MADE if name not in ONE_OF_MANY),
        *((name, BETWEEN) for name in ("several", "EarlyStopping", "ModelCheckpoint")),
        *(
            pytest.param(name, series, marks=pytest.mark.slow)
            for name in MADE
            for series in (WITHIN, BETWEEN, *SERIES)
            if series != WITHIN or name in ONE_OF_MANY
        ),
    ],
)
def test_interrupted_with_callbacks_equals_uninterrupted(
    tmp_path, whole, name, interrupts
):
    expected = whole(name)
    for kind, at in interrupts:
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, name, kind(at))
    callbacks, run = trained(tmp_path, name)
    stopped = json.loads((run.path / "environment.json").read_text())
    assert fingerprint(run) == expected[0]
    assert known_of(callbacks, tmp_path) == expected[1]
    assert stopped.get("stopped_early") == expected[2]


@not_under("jax")  # its dropout masks lead to other losses
def test_they_act_in_these_runs(whole):
    """Or their states would prove nothing."""
    stopped = whole("EarlyStopping")[2]
    assert stopped["epochs"] == 3
    reason = "EarlyStopping(val_loss): the best was 2.274 after epoch 1"
    assert stopped["reason"] == reason
    assert whole("several")[2] is None
    (_, plateau), *_ = whole("ReduceLROnPlateau")[1][0]
    assert plateau["cooldown_counter"] == 4
    states, _, files = whole("apart")[1]
    assert states[0] == ("LearningRateScheduler", {})
    assert files["log.csv"].count(b"\n") == EPOCHS + 1
    states, _, files = whole("ModelCheckpoint")[1]
    assert states[0][1]["best"] is not None
    assert {"best.keras", "often.keras"} < set(files)
    assert [one for one in files if one.startswith("1-5-")]


JAX = """
import sys
from pathlib import Path
import kerasnets, keras
from test_callbacks import *
for name in ("EarlyStopping", "several", "LearningRateScheduler", "Callback"):
    for kind, at in ((Interrupt, STEPS + 3), (InterruptAfter, 2)):
        folder = Path(sys.argv[1]) / f"{name}-{kind.__name__}"
        callbacks, run = trained(folder / "whole", name)
        expected = fingerprint(run), known_of(callbacks, folder / "whole")
        try:
            trained(folder, name, kind(at))
        except KeyboardInterrupt:
            pass
        callbacks, run = trained(folder, name)
        assert (fingerprint(run), known_of(callbacks, folder)) == expected, folder
"""


@pytest.mark.slow
def test_with_jax_too(tmp_path):
    with_jax(JAX, tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_those_that_cannot_work_are_refused_with_a_line(tmp_path, name):
    with pytest.raises(RecipeError, match=f"^{name} cannot be used: ") as raised:
        small_run.fit(tmp_path / "run", on=RECIPE, callbacks=REFUSED[name]())
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


BAD = {
    "schedule": (
        C.ReduceLROnPlateau(),
        {"schedule": "cosine"},
        r"ReduceLROnPlateau sets the learning rate.*'cosine'.*schedule='constant'",
    ),
    "warmup": (C.LearningRateScheduler(decays), {"warmup": 1.0}, "warmup=0"),
    "monitor": (
        C.EarlyStopping("val_acc"),
        {},
        "unknown EarlyStopping monitor 'val_acc'. Did you mean 'val_accuracy'",
    ),
    "file name": (C.ModelCheckpoint("{val_acc}.keras"), {}, "{val_accuracy}"),
    "monitor at steps": (
        C.ModelCheckpoint("a.keras", save_best_only=True, save_freq=3),
        {},
        "unknown ModelCheckpoint monitor 'val_loss'",
    ),
    "objective": (
        C.EarlyStopping("val_objective"),
        {"label_smoothing": 0.1},
        "needs mode='min' to monitor 'val_objective'",
    ),
    "rate": (
        C.ReduceLROnPlateau("learning_rate"),
        {},
        "needs mode='min' or mode='max' to monitor 'learning_rate'",
    ),
    "class": (C.EarlyStopping, {}, r"the class EarlyStopping.*EarlyStopping\(...\)"),
    "something else": (["early"], {}, "Callback objects, not str"),
    "a number": (3, {}, "Callback objects, not int"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(tmp_path, case):
    callbacks, changes, says = BAD[case]
    recipe = RECIPE.replace(**changes)
    with pytest.raises(RecipeError, match=says) as raised:
        small_run.fit(tmp_path / "run", on=recipe, callbacks=callbacks)
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_tensorboard_needs_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "kerasnets.training.callbacks.of_keras._is_installed", lambda package: False
    )
    with pytest.raises(RecipeError, match=r"TensorBoard cannot be used: .*TensorFlow"):
        small_run.fit(tmp_path / "run", callbacks=C.TensorBoard(tmp_path / "logs"))
    assert not (tmp_path / "run").exists() and not (tmp_path / "logs").exists()


class Summary:
    """Stands in for tensorflow.summary."""

    def __init__(self) -> None:
        self.written: dict[tuple[str, int], float] = {}

    def create_file_writer(self, folder):
        return self

    def as_default(self, step=None):
        return contextlib.nullcontext()

    record_if = as_default

    def scalar(self, name, value, step=None):
        step = int(keras.ops.convert_to_numpy(step))
        self.written[name, step] = float(keras.ops.convert_to_numpy(value))

    def close(self):
        pass


def test_tensorboards_steps_go_on(tmp_path, monkeypatch):
    summary = Summary()
    monkeypatch.setattr(
        "kerasnets.training.callbacks.of_keras._is_installed", lambda package: True
    )

    def board():
        made = C.TensorBoard(tmp_path, write_graph=False, update_freq="batch")
        made._summary_module = summary
        return made

    small_run.fit(tmp_path / "whole", callbacks=board())
    expected, summary.written = summary.written, {}
    assert ("batch_loss", 3 * STEPS) in expected
    assert ("evaluation_loss_vs_iterations", 3 * STEPS) in expected
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(
            tmp_path / "run",
            callbacks=[board(), Interrupt(STEPS + 3)],
            checkpoint_every=EVERY_STEP,
        )
    small_run.fit(tmp_path / "run", callbacks=board(), resume=True)
    assert summary.written == expected


def test_a_single_callback_none_and_nested_lists(tmp_path):
    seen = []
    watch = C.LambdaCallback(on_train_end=lambda logs: seen.append(logs))
    for callbacks in (watch, None, [[watch], (watch,)], (one for one in [watch])):
        small_run.fit(
            tmp_path / "run",
            on=small_run.recipe(epochs=1),
            callbacks=callbacks,
            overwrite=True,
        )
    assert len(seen) == 4
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == set(seen[0])


def test_training_begins_and_ends_once_also_where_it_goes_on_inside_an_epoch(tmp_path):
    told = []
    watch = C.LambdaCallback(
        on_train_begin=lambda logs: told.append("begin"),
        on_epoch_begin=lambda epoch, logs: told.append(epoch),
        on_train_end=lambda logs: told.append("end"),
    )
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(
            tmp_path / "run", callbacks=Interrupt(9), checkpoint_every=EVERY_STEP
        )
    small_run.fit(tmp_path / "run", callbacks=watch, resume=True)
    assert told == ["begin", 1, 2, "end"]


class StopAt(C.Callback):
    """Ends training at a step, or at the end of an epoch (step None)."""

    def __init__(self, epoch: int, step: int | None = None) -> None:
        super().__init__()
        self.at = epoch, step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch + 1) == self.at:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if (self.epoch, None) == self.at:
            self.model.stop_training = True


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        (StopAt(1), "StopAt"),
        (StopAt(1, 2), "StopAt, at step 2 of epoch 1"),
        (StopAt(4, 2), "StopAt, at step 2 of epoch 4"),
    ],
)
def test_stopped_early_is_a_state_of_its_own_with_the_reason(
    tmp_path, capsys, stop, why
):
    epoch = stop.at[0]
    run = small_run.fit(
        tmp_path / "run", on=RECIPE, callbacks=stop, confusion_every=EPOCHS
    )
    found = state(run.path)
    assert (found.state, found.why) == ("stopped early", why)
    assert (found.epochs_done, found.epochs) == (epoch, EPOCHS)
    confusion = runs.read_csv(run.path / "validation_confusion.csv")
    assert {row["epoch"] for row in confusion} == {str(epoch)}
    before = run.model_file.read_bytes()
    small_run.fit(run.path, on=RECIPE, resume=True)
    said = f"is finished: stopped early after {epoch} of {EPOCHS} epochs: {why}."
    assert said in capsys.readouterr().out
    assert run.model_file.read_bytes() == before
    # What is damaged is made again, and nothing is trained for it.
    expected = fingerprint(run)
    run.model_file.unlink()
    (run.path / "history.csv").unlink()
    small_run.fit(run.path, on=RECIPE, resume=True, confusion_every=EPOCHS)
    assert fingerprint(run) == expected
    again = state(run.path)
    assert dataclasses.replace(again, size=found.size) == found  # run.log has grown
    # More epochs go on where it was stopped, and take the state away.
    more = RECIPE.replace(epochs=EPOCHS + 1)
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(run.path, on=more, resume=True, callbacks=Interrupt(1))
    assert state(run.path).state == "interrupted"
    small_run.fit(run.path, on=more, resume=True, confusion_every=EPOCHS)
    assert state(run.path).state == "complete"
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5]
    whole = small_run.fit(tmp_path / "whole", on=more)
    assert fingerprint(run)["model.keras"] == fingerprint(whole)["model.keras"]


def test_an_epoch_that_was_cut_leaves_no_trace_once_more_are_trained(
    tmp_path, monkeypatch
):
    """Neither the best weights nor what callbacks know, write and set are those of an
    epoch that history.csv does not have."""
    original = BestWeights.on_epoch_end
    accuracies = []

    def measured(self, epoch, logs=None):
        logs["val_accuracy"] = accuracies[epoch]
        original(self, epoch, logs)

    monkeypatch.setattr(BestWeights, "on_epoch_end", measured)

    def fit(name, epochs, stop=(), **options):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        log = C.CSVLogger(folder / "log.csv")
        plateau = C.ReduceLROnPlateau("val_accuracy", mode="max", patience=1)
        patience = C.EarlyStopping("val_accuracy", mode="max", patience=9)
        seen = C.History()
        recipe = small_run.recipe(schedule="constant", warmup=0.0, keep="best")
        run = small_run.fit(
            folder / "run",
            on=recipe.replace(epochs=epochs),
            callbacks=[*stop, log, plateau, patience, seen],
            **options,
        )
        rows = (folder / "log.csv").read_text().splitlines()
        return run, rows, patience.best_epoch, seen.epoch

    # What is measured after two of its six steps is the best, or makes the rate fall.
    for third in (0.9, 0.4):
        accuracies[:] = [0.5, 0.4, third]
        name = f"cut {third}"
        run, rows, *_ = fit(name, 4, [StopAt(3, 2)])
        assert [row["epoch"] for row in run.history] == [1, 2, 3] and len(rows) == 4
        accuracies[:] = [0.5, 0.4, 0.6, 0.2, 0.1]
        cut, *found = fit(name, 5, resume=True)
        whole, *expected = fit(f"whole {third}", 5)
        assert found == expected
        assert fingerprint(cut) == fingerprint(whole)


def test_stopped_in_the_last_epoch_is_complete(tmp_path):
    run = small_run.fit(tmp_path / "run", on=RECIPE, callbacks=StopAt(EPOCHS))
    assert (state(run.path).state, state(run.path).why) == ("complete", "")


def test_images_a_second_count_those_of_the_steps_that_were_made(tmp_path):
    run = small_run.fit(tmp_path / "run", on=RECIPE, callbacks=StopAt(1, 2))
    (row,) = runs.read_csv(run.path / "epoch_times.csv")
    images = float(row["train_images_per_s"]) * float(row["train_s"])
    assert images == pytest.approx(20, rel=0.01)


def test_going_on_with_other_callbacks_is_said(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(
            tmp_path / "run",
            on=RECIPE,
            callbacks=[C.EarlyStopping(patience=9), InterruptAfter(2)],
        )
    small_run.fit(
        tmp_path / "run", on=RECIPE, callbacks=C.CSVLogger(tmp_path / "l"), resume=True
    )
    out = capsys.readouterr().out
    assert "resuming without EarlyStopping(val_loss), with which it was" in out
    assert "CSVLogger was added after epoch 1 and starts without a state" in out


class Keeps(Count):
    def get_state(self):
        return {"what": object()}


def test_a_state_that_no_checkpoint_can_keep_is_named(tmp_path):
    with pytest.raises(RecipeError, match="get_state of the callback Keeps has a obj"):
        small_run.fit(tmp_path / "run", on=RECIPE, callbacks=Keeps())


@pytest.mark.parametrize(
    "change",
    [
        {"wait": "soon"},
        {"best": [1]},
        {"best_weights": [np.zeros(3)]},
        {"best_weights": {"a": 1}},
        {"best_epoch": -1},
    ],
)
def test_a_state_from_elsewhere_is_refused_with_a_line(tmp_path, monkeypatch, change):
    callback = C.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(
            tmp_path / "run", on=RECIPE, callbacks=[callback, InterruptAfter(2)]
        )
    newest = checkpoint.newest

    def changed(folder):
        found = newest(folder)
        found.callbacks[0].values.update(change)
        return found

    monkeypatch.setattr(checkpoint, "newest", changed)
    with pytest.raises(RunError, match="does not fit the callback EarlyStopping"):
        small_run.fit(tmp_path / "run", on=RECIPE, callbacks=callback, resume=True)


def test_steps_and_seconds_may_be_given_as_they_are(tmp_path):
    for every in (2, "2", Interval(steps=2)):
        with pytest.raises(KeyboardInterrupt):
            small_run.fit(
                tmp_path / "run",
                callbacks=Interrupt(4),
                checkpoint_every=every,
                overwrite=True,
            )
        found = checkpoint.newest(tmp_path / "run" / "checkpoint")
        assert found is not None and found.batch == 2
