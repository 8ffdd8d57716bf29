"""The backends that compile for a size see one size, and nobody sees a difference."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import warm_python

from kerasnets.compute.runtime import Session
from kerasnets.training import fixed_batch_size

COMPILING = [
    pytest.param(
        name, marks=pytest.mark.skipif(find_spec(name) is None, reason="not installed")
    )
    for name in ("jax", "tensorflow")
]

# 55 of 60 images train: batches of 10, of which the last is 5; 5 validate.
COMPARE = """
import sys
sys.path.insert(0, {reliability!r})
import keras, numpy as np, small_run
from kerasnets import runs
from kerasnets.training import fixed_batch_size

traces = []
for step in ("train_step", "test_step"):
    original = getattr(keras.Model, step)
    def counted(*arguments, step=step, original=original, **named):
        traces.append(step)
        return original(*arguments, **named)
    setattr(keras.Model, step, counted)

def trained(name):
    traces.clear()
    options = {{"dropout": 0.0, "label_smoothing": {smoothing}}}
    recipe = small_run.recipe(validation=5 / 60, **options)
    run = small_run.fit({path!r} + "/" + name, on=recipe)
    model = keras.saving.load_model(run.model_file, compile=False)
    confusion = (run.path / "validation_confusion.csv").read_text()
    return run.history, confusion, model.get_weights(), len(traces)

*whole, compiled = trained("whole")
fixed_batch_size.are_needed = lambda session: False
*short, compiled_short = trained("short")
assert compiled == 2, traces  # training and validation, once each
{more}
for ours, theirs in zip(whole[0], short[0], strict=True):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, err_msg=name)
assert whole[1] == short[1]
assert len(whole[0]) == 3
for ours, theirs in zip(whole[2], short[2], strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
"""


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("backend", COMPILING)
def test_a_short_last_batch_gives_the_same_and_compiles_nothing(
    tmp_path, backend, smoothing
):
    code = COMPARE.format(
        reliability=str(Path(__file__).parent.parent / "reliability"),
        path=str(tmp_path),
        smoothing=smoothing,
        # TensorFlow traces for any size, and compiles for each behind that.
        more="assert compiled_short == 3" if backend == "jax" else "",
    )
    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run(
        [warm_python.executable(backend), "-c", code], check=True, env=environment
    )


def test_pytorch_needs_none():
    assert not fixed_batch_size.are_needed(Session("torch", "cpu", "", None))
    assert fixed_batch_size.are_needed(Session("jax", "cpu", "", None))
