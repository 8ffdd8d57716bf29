"""The numbers of history.csv are those that their names say."""

import json

import keras
import numpy as np
import pytest
import small_run
from backend_here import ENGINES
from test_resume import EVERY_STEP, Interrupt, interrupted_fit

from kerasnets import runs
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.storage import digests
from kerasnets.training import checkpoint
from kerasnets.training.drill import fingerprint

STEPS = small_run.STEPS


class Rates(keras.callbacks.Callback):
    """The learning rate before each step, by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, list[float]] = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.seen.setdefault(self.epoch, []).append(rate)


def last_rates(run):
    return [row["learning_rate"] for row in run.history]


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_the_rate_is_the_one_that_the_last_step_used(tmp_path, schedule, warmup):
    recipe = small_run.recipe(schedule=schedule, warmup=warmup, epochs=4)
    rates = Rates()
    run = small_run.fit(tmp_path / "run", on=recipe, callbacks=rates)
    assert last_rates(run) == [seen[-1] for seen in rates.seen.values()]
    assert [len(seen) for seen in rates.seen.values()] == [STEPS] * 4
    if (schedule, warmup) == ("step", 0):
        share = [rate / recipe.learning_rate for rate in last_rates(run)]
        assert share == pytest.approx([1, 1, 0.1, 0.01])


def test_so_it_is_where_training_goes_on_and_with_a_loss_scale(tmp_path):
    recipe = small_run.recipe(precision="mixed_float16", epochs=3)
    rates = Rates()
    for steps in (2, 6, 7):
        with pytest.raises(KeyboardInterrupt):
            small_run.fit(
                tmp_path / "run",
                on=recipe,
                callbacks=[rates, Interrupt(steps)],
                checkpoint_every=EVERY_STEP,
                resume=True,
            )
    run = small_run.fit(tmp_path / "run", on=recipe, callbacks=rates, resume=True)
    assert last_rates(run) == [seen[-1] for seen in rates.seen.values()]


class SetRate(keras.callbacks.Callback):
    """Sets the learning rate before and after each step, and may stop at one."""

    def __init__(self, stop_after: int = 0) -> None:
        super().__init__()
        self.step, self.stop_after = 0, stop_after
        self.used: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        self.step += 1
        self.model.optimizer.learning_rate = self.step * 1e-4

    def on_train_batch_end(self, batch, logs=None):
        rate = self.model.optimizer.learning_rate
        self.used.append(float(keras.ops.convert_to_numpy(rate)))
        self.model.optimizer.learning_rate = 1.0
        if self.step == self.stop_after:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 2.0


@pytest.mark.parametrize("stop_after", [0, 2, STEPS + 3])
def test_a_callbacks_rate_is_the_one_that_the_step_used(tmp_path, stop_after):
    recipe = small_run.recipe(schedule="constant", warmup=0.0, epochs=2)
    callback = SetRate(stop_after)
    run = small_run.fit(tmp_path / "run", on=recipe, callbacks=callback)
    last = [len(callback.used) - 1]
    if len(run.history) == 2:
        last.insert(0, STEPS - 1)
    assert last_rates(run) == [callback.used[step] for step in last]


@pytest.mark.parametrize("stop", [2, STEPS + 1])
def test_a_schedules_rate_where_a_callback_stops_inside_an_epoch(tmp_path, stop):
    class Stop(Rates):
        def on_train_batch_end(self, batch, logs=None):
            if sum(map(len, self.seen.values())) == stop:
                self.model.stop_training = True

    rates = Stop()
    run = small_run.fit(tmp_path / "run", callbacks=rates)
    assert last_rates(run) == [seen[-1] for seen in rates.seen.values()]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_validation_loss_is_what_evaluate_says(tmp_path, smoothing, engine):
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(dict(logs))
    )
    recipe = small_run.recipe(label_smoothing=smoothing, epochs=2, learning_rate=0.1)
    run = small_run.fit(tmp_path / "run", on=recipe, engine=engine, callbacks=watch)
    measured = evaluate(run, split="validation", device="cpu")
    last = run.history[-1]
    assert last["val_loss"] == pytest.approx(measured["loss"], rel=1e-5)
    assert last["val_accuracy"] == pytest.approx(measured["accuracy"])
    assert (last["objective"] == last["loss"]) == (smoothing == 0)
    for logs, row in zip(seen, run.history, strict=True):
        assert {name: logs[name] for name in row if name in logs} == {
            name: row[name] for name in row if name in logs
        }
        assert ("objective" in logs) == (smoothing > 0)
    assert not run.loss_is_smoothed


def as_before(path, *, smoothing: bool) -> None:
    """A run folder as kerasnets wrote it before there was an objective, and before a
    constant learning rate was a variable."""
    run = runs.load(path)
    environment = json.loads((path / "environment.json").read_text())
    del environment["history_columns"]
    runs.write_json(path / "environment.json", environment)
    for file in run.checkpoint_folder.iterdir():
        with np.load(file) as archive:
            arrays = {key: archive[key] for key in archive.files}
        state = json.loads(arrays.pop("state").item())
        state.pop("digest")
        arrays.pop("optimizer_learning_rate", None)
        rows = state["tables"]["history.csv"]
        if smoothing:  # what is minimized was the loss
            metrics = sorted(key for key in arrays if key.startswith("metric_"))
            for key in metrics[-2:]:  # total and count of the cross-entropy
                del arrays[key]
            for row in rows:
                row[1] = row[6]
        state["tables"]["history.csv"] = [row[:6] for row in rows]
        state["digest"] = checkpoint._digest(state, arrays)
        with runs.atomic_file(file, "wb") as out:
            np.savez(out, state=np.array(json.dumps(state).encode()), **arrays)
    assert digests.verify(path).findings == ()


@pytest.mark.parametrize("steps", [4, STEPS + 3, 2 * STEPS + 1])
def test_runs_from_before_go_on_to_the_same_history(tmp_path, steps):
    recipe = small_run.recipe(schedule="constant", warmup=0.0)
    whole = small_run.fit(tmp_path / "whole", on=recipe)
    interrupted_fit(tmp_path / "run", steps, on=recipe, checkpoint_every=EVERY_STEP)
    as_before(tmp_path / "run", smoothing=False)
    run = small_run.fit(tmp_path / "run", on=recipe, resume=True)
    assert fingerprint(run) == fingerprint(whole)


@pytest.mark.parametrize("steps", [4, STEPS + 3])
def test_smoothed_runs_from_before_keep_their_columns_and_what_they_mean(
    tmp_path, steps
):
    recipe = small_run.recipe(label_smoothing=0.2)
    whole = small_run.fit(tmp_path / "whole", on=recipe)
    interrupted_fit(tmp_path / "run", steps, on=recipe, checkpoint_every=EVERY_STEP)
    as_before(tmp_path / "run", smoothing=True)
    for _ in range(2):  # it stays so however often it is interrupted
        interrupted_fit(tmp_path / "run", 2, on=recipe, checkpoint_every=EVERY_STEP)
    run = small_run.fit(tmp_path / "run", on=recipe, resume=True)
    assert list(run.history[0]) == list(whole.history[0])[:-1]
    objectives = [row["objective"] for row in whole.history]
    assert [row["loss"] for row in run.history] == objectives
    assert run.loss_is_smoothed and not whole.loss_is_smoothed
    assert fingerprint(run)["model.keras"] == fingerprint(whole)["model.keras"]
