"""Options of training that have a state: what they do, and that a run which was
interrupted ends as the run that never was, to the bit, on every backend."""

import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import small_run
from keras import ops

from kerasnets import runs
from kerasnets.compute import native_precision, runtime
from kerasnets.errors import RecipeError
from kerasnets.training import checkpoint
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint

# Steps an epoch: 6. Accumulation runs on from one epoch to the next.
OPTIONS = {
    "modern": {
        "nesterov": True,
        "weight_decay": 5e-3,
        "decay_norms": False,
        "schedule": "one-cycle",
        "warmup": 0.0,
        "learning_rate": 0.1,
        "label_smoothing": 0.1,
        "ema": 0.9,
        "keep": "best",
        "early_stopping": 2,
        "class_weights": "balanced",
    },
    "accumulated": {
        "accumulate": 4,
        "clip_norm": 0.5,
        "weight_decay": 5e-3,
        "ema": 0.9,
        "optimizer": "rmsprop",
    },
    "adam": {"optimizer": "adam", "weight_decay": 0.1, "keep": "best"},
}
AT = 9  # steps: inside the second epoch


class Interrupt(keras.callbacks.Callback):
    """Stands in for the end of the process after so many steps of it."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def check(folder: Path, options: dict, **how) -> None:
    """Interrupt and resume a run, and compare it with one that was not."""
    how = {"on": small_run.recipe(**options), **how}
    whole = fingerprint(small_run.fit(folder / "whole", **how))
    how |= {"checkpoint_every": Interval(steps=2)}
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(folder / "parts", callbacks=[Interrupt(AT)], **how)
    assert fingerprint(small_run.fit(folder / "parts", resume=True, **how)) == whole


@pytest.mark.parametrize(
    ("name", "engine"),
    [("modern", "keras"), *((name, "torch_graph") for name in OPTIONS)],
)
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's engines")
def test_an_interrupted_run_ends_alike(tmp_path, name, engine):
    check(tmp_path, OPTIONS[name], engine=engine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            one, marks=pytest.mark.skipif(find_spec(one) is None, reason="not there")
        )
        for one in ("jax", "tensorflow")
    ],
)
def test_an_interrupted_run_ends_alike_on_other_backends(tmp_path, backend):
    code = (
        "import sys, pathlib, test_training_options as these\n"
        "for name, options in these.OPTIONS.items():\n"
        "    these.check(pathlib.Path(sys.argv[1]) / name, options)\n"
    )
    tests = Path(__file__).parent
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parents[1])]),
    }
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=environment)


def loaded(run) -> list[np.ndarray]:
    return keras.saving.load_model(run.model_file, compile=False).get_weights()


def test_the_average_is_what_is_saved_and_validated(tmp_path):
    """By the rule, from the weights of each step."""
    seen: list[list[np.ndarray]] = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.on_train_batch_end(0)

        def on_train_batch_end(self, batch, logs=None):
            seen.append([ops.convert_to_numpy(w).copy() for w in self.model.weights])

        def on_test_batch_begin(self, batch, logs=None):
            shown.append([ops.convert_to_numpy(w).copy() for w in self.model.weights])

    shown: list[list[np.ndarray]] = []
    run = small_run.fit(
        tmp_path / "run", on=small_run.recipe(ema=0.6), callbacks=[Watch()]
    )
    average = seen[0]
    for number, weights in enumerate(seen[1:], start=1):
        share = 1 - min(0.6, (1 + number) / (10 + number))
        average = [a + share * (w - a) for a, w in zip(average, weights, strict=True)]
    for mine, other, last in zip(loaded(run), average, seen[-1], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(mine, last)
    for mine, other in zip(shown[-1], average, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_the_best_epoch_is_saved_and_said(tmp_path):
    kept: list[list[np.ndarray]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append([ops.convert_to_numpy(w).copy() for w in self.model.weights])

    recipe = small_run.recipe(keep="best", epochs=5, learning_rate=0.1)
    run = small_run.fit(tmp_path / "run", on=recipe, callbacks=[Watch()])
    accuracies = [row["val_accuracy"] for row in run.history]
    best = int(np.argmax(accuracies))
    assert run.kept_epoch == best + 1
    for mine, other in zip(loaded(run), kept[best], strict=True):
        np.testing.assert_array_equal(mine, other)

    from kerasnets.evaluation.evaluate import evaluate

    assert evaluate(run, device="cpu")["epoch"] == best + 1


def test_training_ends_after_epochs_without_progress(tmp_path):
    recipe = small_run.recipe(
        early_stopping=2, epochs=9, learning_rate=1e-9, schedule="constant", warmup=0.0
    )
    run = small_run.fit(tmp_path / "run", on=recipe)
    accuracies = [row["val_accuracy"] for row in run.history]
    best = int(np.argmax(accuracies))
    assert len(accuracies) == best + 3 < 9
    assert (
        "stopped early: EarlyStopping(val_accuracy)"
        in (run.path / "run.log").read_text()
    )


def test_every_second_batch_updates_where_two_are_accumulated(tmp_path):
    recipe = small_run.recipe(epochs=1, limit=None, accumulate=2, batch_size=10)
    kernels: list[bytes] = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel = self.model.trainable_weights[0]
            kernels.append(ops.convert_to_numpy(kernel).tobytes())

    small_run.fit(tmp_path / "run", on=recipe, callbacks=[Watch()])
    changes = [a != b for a, b in itertools.pairwise(kernels)]
    assert changes[:6] == [True, False, True, False, True, False]


@pytest.mark.parametrize("option", [{"early_stopping": 2}, {"keep": "best"}])
def test_the_test_split_is_never_selected_on(option):
    with pytest.raises(RecipeError, match="it would choose by the test split"):
        small_run.recipe(validation="test", **option)


def test_weights_of_a_restoring_callback_are_refused(tmp_path):
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", restore_best_weights=True
    )
    with pytest.raises(RecipeError, match="keep='best'"):
        small_run.fit(
            tmp_path / "run", on=small_run.recipe(ema=0.9), callbacks=[stopping]
        )
    assert not (tmp_path / "run").exists()


def test_a_run_from_before_the_rule_was_recorded_goes_on_decoupled(tmp_path):
    """recipe.json had no field for it, and weight decay was decoupled."""
    recipe = small_run.recipe(weight_decay=0.1, learning_rate=0.1)
    old = small_run.recipe(weight_decay=0.1, learning_rate=0.1, decay="decoupled")
    expected = fingerprint(small_run.fit(tmp_path / "old", on=old))
    other = fingerprint(small_run.fit(tmp_path / "new", on=recipe))
    path = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(
            path,
            on=old,
            callbacks=[Interrupt(8)],
            checkpoint_every=Interval(steps=1),
        )
    file = path / "recipe.json"
    text = file.read_text().replace('  "decay": "decoupled",\n', "")
    runs.write_text(file, text)
    found = checkpoint.newest(path / "checkpoint")
    assert found is not None and found.batch
    resumed = small_run.fit(path, on=recipe, resume=True)
    assert fingerprint(resumed) == expected != other


@pytest.mark.parametrize("native", [True, False])
def test_automatic_precision_is_recorded_and_kept(tmp_path, monkeypatch, native):
    def processor(native):
        monkeypatch.setattr(native_precision, "_processor_has_bfloat16", lambda: native)
        monkeypatch.setattr(runtime, "device_of", lambda device: ("torch", "cpu"))

    processor(native)
    recipe = small_run.recipe(precision="auto", epochs=1)
    run = small_run.fit(tmp_path / "run", on=recipe)
    chosen = "mixed_bfloat16" if native else "float32"
    assert json.loads((run.path / "recipe.json").read_text())["precision"] == chosen
    assert f"precision {chosen}: the processor" in (run.path / "run.log").read_text()
    processor(not native)
    longer = recipe.replace(epochs=2)
    read = []
    load = runs.load
    monkeypatch.setattr(runs, "load", lambda at: read.append(at) or load(at))
    again = small_run.fit(run.path, on=longer, resume=True)
    assert again.recipe.precision == chosen and len(again.history) == 2
    assert read == [run.path] * 2  # before its lock is held, and then
