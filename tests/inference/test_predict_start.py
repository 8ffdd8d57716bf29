"""`kerasnets predict` starts soon: it imports and draws only what it needs."""

import json
import subprocess
import sys

import numpy as np
import pytest
from backend_here import only_under
from trained_run import make_run

from kerasnets import datasets
from kerasnets.datasets.preprocessing import Preprocessing
from kerasnets.runs.trained import load_model

# Each takes a quarter of a second or more to import.
_SLOW = {
    *("jax", "matplotlib", "pandas", "requests", "scipy.stats", "sklearn"),
    *("tensorflow", "tensorflow_datasets", "torch._dynamo", "torchvision"),
    *("kerasnets.figures", "kerasnets.training"),
}

_PREDICT = """
import json, sys
from kerasnets.cli.main import main
try:
    main(["predict", *sys.argv[1:], "--device", "cpu", "--format", "jsonl"])
except SystemExit as ended:
    status = ended.code
print(json.dumps({"status": status, "modules": list(sys.modules)}))

# What was left out is there for whoever needs it.
import jax, matplotlib, sklearn, torch
import keras
torch.compiler.reset()
drawn = keras.initializers.RandomNormal(seed=1)((2, 2))
disabled = torch._dynamo.disable(lambda: 1)
print(json.dumps([bool(drawn.std() > 0), disabled(), torch._dynamo.__file__ != ""]))
"""


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("start") / "run")
    dataset = datasets.load("digits", image_size=8)
    steps = Preprocessing.of(run.recipe, dataset, load_model(run))
    steps.write(run)
    return run


@only_under("torch")
def test_predict_imports_nothing_that_is_slow(recorded_run, digit_files):
    ended = subprocess.run(
        [sys.executable, "-c", _PREDICT, str(recorded_run.path), str(digit_files[0])],
        capture_output=True,
        text=True,
        check=True,
    )
    answer, after, usable = map(json.loads, ended.stdout.splitlines())
    assert answer["path"] == str(digit_files[0])
    assert after["status"] == 0
    assert not _SLOW & set(after["modules"])
    assert usable == [True, 1, True]


def test_loading_draws_no_initial_weights(recorded_run, monkeypatch):
    import keras

    def draw(*_, **__):
        raise AssertionError("drawn")

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", draw)
    weights = load_model(recorded_run).get_weights()
    assert keras.initializers.VarianceScaling.__call__ is draw
    assert np.abs(weights[0]).max() > 0
