"""A run that was interrupted anywhere ends as the run that never was, to the bit."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import narrow
import numpy as np
import pytest
import small_run
import warm_python
from backend_here import ENGINES, only_under
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnets import runs
from kerasnets.catalog.networks import NETWORKS
from kerasnets.errors import RunError, TrainingDiverged
from kerasnets.recipe import Recipe
from kerasnets.training import checkpoint
from kerasnets.training import fit as training
from kerasnets.training.checkpointing import Interval
from kerasnets.training.drill import fingerprint
from kerasnets.training.fit import fit

EVERY_STEP = Interval(steps=1)


class Interrupt(keras.callbacks.Callback):
    """Stands in for the end of the process after so many steps of it."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted_fit(path, steps: int, **options) -> None:
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(path, resume=True, callbacks=[Interrupt(steps)], **options)


@pytest.fixture(scope="module", params=ENGINES)
def whole(request, tmp_path_factory):
    """Engine and fingerprint of the run that is never interrupted."""
    path = tmp_path_factory.mktemp(request.param) / "whole"
    run = small_run.fit(path, engine=request.param)
    return request.param, fingerprint(run)


@pytest.mark.parametrize(
    ("every", "stride"),
    [
        # At other places of each epoch.
        (1, small_run.STEPS - 1),
        pytest.param(1, 1, marks=pytest.mark.slow),
        pytest.param(4, 1, marks=pytest.mark.slow),
    ],
)
def test_interrupted_at_any_step_equals_uninterrupted(tmp_path, whole, every, stride):
    engine, expected = whole
    for step in range(1, 3 * small_run.STEPS + 1, stride):
        path = tmp_path / str(step)
        interrupted_fit(
            path, step, engine=engine, checkpoint_every=Interval(steps=every)
        )
        run = small_run.fit(path, resume=True, engine=engine)
        assert fingerprint(run) == expected, f"interrupted at step {step}"


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch compiles")
def test_a_run_with_a_short_batch_left_compiles_the_full_ones(tmp_path, monkeypatch):
    import torch

    compiled = []

    def compile_(graph, **options):
        """Stands for the compiler: other last bits."""

        def faster(images, *, training):
            if training:
                compiled.append(len(images))
            return graph(images, training=training) * 1.001

        return faster

    monkeypatch.setattr(torch, "compile", compile_)
    whole = small_run.fit(tmp_path / "whole", engine="torch_compile")
    interrupted_fit(
        tmp_path / "parts",
        small_run.STEPS,
        engine="torch_compile",
        checkpoint_every=Interval(steps=small_run.STEPS - 1),
    )
    parts = small_run.fit(tmp_path / "parts", resume=True, engine="torch_compile")
    assert set(compiled) == {whole.recipe.batch_size}
    assert fingerprint(parts) == fingerprint(whole)


@settings(max_examples=4)
@given(parts=st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_any_series_of_interruptions_equals_none(tmp_path_factory, whole, parts):
    engine, expected = whole
    path = tmp_path_factory.mktemp("parts") / "run"
    for steps in parts:
        # Each but the first part repeats the step that the one before was in.
        interrupted_fit(path, steps, engine=engine, checkpoint_every=EVERY_STEP)
    run = small_run.fit(path, resume=True, engine=engine)
    assert fingerprint(run) == expected


def test_an_interrupted_epoch_is_timed_over_its_parts(tmp_path):
    interrupted_fit(tmp_path / "run", 5, checkpoint_every=EVERY_STEP)
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None and (found.epoch, found.batch) == (0, 4)
    before = found.parts["epoch_times.csv"]
    assert 0 < before["data_wait_s"] < before["train_s"]
    run = small_run.fit(tmp_path / "run", resume=True)
    first = runs.read_csv(run.path / "epoch_times.csv")[0]
    assert float(first["train_s"]) > before["train_s"]
    assert float(first["data_wait_s"]) > before["data_wait_s"]


@pytest.mark.parametrize("free_bytes", [0, 10**9])
def test_batches_made_on_a_device_are_part_of_the_same_run(
    tmp_path, monkeypatch, whole, free_bytes
):
    from kerasnets.datasets.pipeline.torch_pixels import TorchPixels

    made = []

    def on_device(*arrays):
        made.append(TorchPixels(*arrays, device="cpu", free_bytes=free_bytes))
        return made[-1]

    engine, expected = whole
    monkeypatch.setattr(training, "place", lambda session, otherwise: on_device)
    path = tmp_path / "run"
    interrupted_fit(path, 8, engine=engine, checkpoint_every=EVERY_STEP)
    run = small_run.fit(path, resume=True, engine=engine)
    assert fingerprint(run) == expected
    assert {pixels.resident for pixels in made} == {free_bytes > 0}


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_resumes(tmp_path, precision):
    recipe = small_run.recipe(precision=precision)
    whole = small_run.fit(tmp_path / "whole", on=recipe)
    interrupted_fit(tmp_path / "parts", 8, on=recipe, checkpoint_every=EVERY_STEP)
    parts = small_run.fit(tmp_path / "parts", on=recipe, resume=True)
    assert fingerprint(parts) == fingerprint(whole)
    # The scale of the loss is a variable of Keras's optimizer, and so of a checkpoint.
    found = checkpoint.newest(whole.path / "checkpoint")
    scales = [array for array in found.arrays.values() if array.shape == ()]
    scaled = any(scale >= 2**10 for scale in scales if scale.dtype == np.float32)
    assert scaled == (precision == "mixed_float16")


def test_it_says_where_it_goes_on(tmp_path):
    interrupted_fit(tmp_path / "run", 9, checkpoint_every=EVERY_STEP)
    run = small_run.fit(tmp_path / "run", resume=True)
    assert "resuming after step 2 of epoch 2" in (run.path / "run.log").read_text()


def test_a_damaged_newest_checkpoint_falls_back_with_a_warning(tmp_path, caplog, whole):
    engine, expected = whole
    path = tmp_path / "run"
    interrupted_fit(path, 9, engine=engine, checkpoint_every=EVERY_STEP)
    newest = path / "checkpoint" / "epoch-00001-batch-0000002.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    run = small_run.fit(path, resume=True, engine=engine)
    assert f"{newest} is damaged; using the checkpoint" in caplog.text
    assert fingerprint(run) == expected


def test_checkpoints_of_whole_epochs_from_before_still_resume(tmp_path, whole):
    engine, expected = whole
    path = tmp_path / "run"
    interrupted_fit(path, small_run.STEPS + 1, engine=engine)
    new = path / "checkpoint" / "epoch-00001.npz"
    as_they_used_to_be(new)
    run = small_run.fit(path, resume=True, engine=engine)
    assert fingerprint(run) == expected


@pytest.mark.parametrize("steps", [1, 9])
def test_a_run_from_before_it_was_recorded_goes_on_with_its_weights(
    tmp_path, whole, steps, monkeypatch
):
    engine, expected = whole
    path = tmp_path / "run"
    before = small_run.recipe(initial_weights="backend")
    # At the first step there is no checkpoint: the weights are drawn again.
    interrupted_fit(path, steps, on=before, engine=engine, checkpoint_every=EVERY_STEP)
    values = json.loads(before.to_json())
    del values["initial_weights"]
    runs.write_text(path / "recipe.json", json.dumps(values))
    drawn = []
    original = small_run.network
    monkeypatch.setattr(
        small_run,
        "network",
        lambda recipe, *shapes: (
            drawn.append(recipe.initial_weights) or original(recipe, *shapes)
        ),
    )
    run = small_run.fit(path, resume=True, engine=engine)
    found = fingerprint(run)
    del found["recipe.json"]
    assert found.items() <= expected.items()
    assert drawn == [run.recipe.initial_weights] == ["backend"]
    assert runs.load(path).recipe == before


def test_another_way_to_draw_weights_is_another_run(tmp_path):
    interrupted_fit(tmp_path, 9, checkpoint_every=EVERY_STEP)
    other = small_run.recipe(initial_weights="backend")
    with pytest.raises(RunError, match="made with initial_weights 'numpy'"):
        small_run.fit(tmp_path, on=other, resume=True)


def as_they_used_to_be(path: Path) -> None:
    """Rewrite a checkpoint as kerasnets 0.1 wrote it: no batch, no parts."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    state = json.loads(arrays.pop("state").item())
    state = {"epoch": state["epoch"], "tables": state["tables"]}
    state["digest"] = checkpoint._digest(state, arrays)
    np.savez(path, state=np.array(json.dumps(state)), **arrays)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_raising_epochs_says_what_it_means_for_the_schedule(tmp_path, schedule, capsys):
    two = small_run.recipe(epochs=2, schedule=schedule)
    three = small_run.recipe(epochs=3, schedule=schedule)
    small_run.fit(tmp_path / "run", on=two)
    run = small_run.fit(tmp_path / "run", on=three, resume=True)
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    said = f"epochs raised from 2 to 3: the {schedule} schedule now ends with epoch 3"
    assert (said in capsys.readouterr().out) == (schedule != "constant")
    if schedule == "constant":
        whole = small_run.fit(tmp_path / "whole", on=three)
        assert fingerprint(run) == fingerprint(whole)


def test_a_model_of_fewer_epochs_does_not_pass_for_the_longer_runs(tmp_path):
    run = small_run.fit(tmp_path / "run", on=small_run.recipe(epochs=1))
    with pytest.raises(KeyboardInterrupt):
        small_run.fit(run.path, resume=True, callbacks=[Interrupt(1)])
    assert not run.model_file.exists()


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    interrupted_fit(tmp_path / "run", 9, checkpoint_every=EVERY_STEP)
    recipe = small_run.recipe()
    with pytest.raises(RunError, match="does not fit the network of its recipe"):
        fit(recipe, tmp_path / "run", device="cpu", verbosity=0, resume=True)


def test_a_run_that_diverged_leaves_no_checkpoint_of_it(tmp_path):
    class Diverge(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                weight = self.model.trainable_variables[-1]
                weight.assign(np.full(weight.shape, np.nan))

    with pytest.raises(TrainingDiverged, match="became nan by step 5 of epoch 1"):
        small_run.fit(
            tmp_path / "run", callbacks=[Diverge()], checkpoint_every=Interval(steps=5)
        )
    assert checkpoint.newest(tmp_path / "run" / "checkpoint") is None


@pytest.mark.parametrize(
    ("step", "every", "says"),
    [
        # Of the epoch's last step, the loss is taken before its update of the weights.
        (small_run.STEPS, 300, "became nan by the validation of epoch 2"),
        (4, 4, "is no longer finite by step 4 of epoch 2"),
    ],
)
def test_weights_that_the_last_step_spoiled_reach_no_checkpoint(
    tmp_path, step, every, says
):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch + 1) == (1, step):
                weight = self.model.trainable_variables[-1]
                weight.assign(np.full(weight.shape, np.inf))

    with pytest.raises(TrainingDiverged, match=says):
        small_run.fit(
            tmp_path / "run",
            callbacks=[Spoil()],
            checkpoint_every=Interval(steps=every),
        )
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None and (found.epoch, found.batch) == (1, 0)
    assert [row["epoch"] for row in runs.load(tmp_path / "run").history] == [1]


FAST = {("resnet18", "keras"), ("densenet121", ENGINES[-1])}


@pytest.mark.parametrize(
    ("network", "engine"),
    [
        pytest.param(*pair, marks=() if pair in FAST else pytest.mark.slow)
        for pair in itertools.product(NETWORKS, ENGINES)
    ],
)
def test_every_network_resumes_inside_an_epoch(tmp_path, network, engine):
    with narrow.narrowed():
        resumed_equals_whole(tmp_path, network, engine)


def resumed_equals_whole(tmp_path, network, engine):
    vgg = {"head": "compact", "batch_norm": True} if "vgg" in network else {}
    recipe = Recipe.for_paper(
        network,
        "digits",
        limit=20,
        batch_size=6,
        epochs=2,
        validation=0.1,
        dropout=0.2,
        **vgg,
    )
    common = {"device": "cpu", "engine": engine, "verbosity": 0}
    whole = fit(recipe, tmp_path / "whole", **common)
    with pytest.raises(KeyboardInterrupt):
        fit(
            recipe,
            tmp_path / "parts",
            checkpoint_every=EVERY_STEP,
            callbacks=[Interrupt(5)],
            **common,
        )
    parts = fit(recipe, tmp_path / "parts", resume=True, **common)
    assert fingerprint(parts) == fingerprint(whole)


def with_jax(code: str, *arguments: object) -> None:
    """Run code that may import this file in a process where Keras runs on JAX."""
    pytest.importorskip("jax")
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": folders}
    command = [warm_python.executable("jax"), "-c", code, *map(str, arguments)]
    subprocess.run(command, check=True, env=environment)


JAX_NETWORK = """
import sys
from pathlib import Path
from test_resume import resumed_equals_whole
resumed_equals_whole(Path(sys.argv[1]), sys.argv[2], "keras")
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_resumes_inside_an_epoch_with_jax(tmp_path, network):
    with_jax(JAX_NETWORK, tmp_path, network)


JAX = """
import sys
import keras, small_run
from kerasnets.training.drill import fingerprint
from kerasnets.training.checkpointing import Interval
from test_resume import Interrupt, interrupted_fit
whole = fingerprint(small_run.fit(sys.argv[1] + "/whole"))
for steps in (3, 8):
    path = sys.argv[1] + f"/{steps}"
    interrupted_fit(path, steps, checkpoint_every=Interval(steps=1))
    assert fingerprint(small_run.fit(path, resume=True)) == whole, steps
"""


def test_jax_resumes_inside_an_epoch_too(tmp_path):
    with_jax(JAX, tmp_path)


FROM_PYTORCH = """
import sys
import keras, numpy, small_run
from pathlib import Path
from kerasnets.training import checkpoint

class Compare(keras.callbacks.Callback):
    compared = 0

    def on_train_begin(self, logs=None):
        if not self.compared:
            for key, variable in checkpoint._variables(self.model).items():
                numpy.testing.assert_array_equal(variable.value, found.arrays[key])
                self.compared += 1

path = Path(sys.argv[1])
found = checkpoint.newest(path / "checkpoint")
assert (found.epoch, found.batch) == (1, 2), found.position
compare = Compare()
run = small_run.fit(path, resume=True, callbacks=[compare])
assert compare.compared == len(found.arrays) > 10
assert [row["epoch"] for row in run.history] == [1, 2, 3]
"""


@only_under("torch")
def test_jax_goes_on_from_a_checkpoint_of_pytorch(tmp_path):
    interrupted_fit(tmp_path / "run", 9, checkpoint_every=EVERY_STEP)
    with_jax(FROM_PYTORCH, tmp_path / "run")
    log = (tmp_path / "run" / "run.log").read_text()
    assert "resuming with backend jax (begun with torch)" in log
