"""With --deterministic, CUDA gives the same bits every time, interrupted or not."""

import dataclasses
import json
import os
import subprocess
import sys

import cuda_runs
import pytest

from kerasnets import runs
from kerasnets.compute.execution import Execution
from kerasnets.training import drill as drilling
from kerasnets.training.drill import fingerprint

NETWORKS = {
    cuda_runs.SMALL: {"dropout": 0.2},
    "resnet18": {"dropout": 0.2},
    "vgg11": {"head": "compact", "batch_norm": True},
    "densenet121": {"growth_rate": 12},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A recipe, and the fingerprint of its run that is never interrupted."""
    return whole(tmp_path_factory.mktemp("small"), cuda_runs.SMALL)


def whole(folder, network):
    recipe = cuda_runs.recipe(network, **NETWORKS[network])
    return recipe, fingerprint(cuda_runs.trained(folder / "whole", recipe))


def test_the_same_run_again_gives_the_same_bits(tmp_path, small):
    recipe, expected = small
    assert fingerprint(cuda_runs.trained(tmp_path / "again", recipe)) == expected


def test_a_run_that_goes_on_after_its_first_epoch(tmp_path, small):
    recipe, expected = small
    path = tmp_path / "epochs"
    cuda_runs.trained(path, dataclasses.replace(recipe, epochs=1))
    assert fingerprint(cuda_runs.trained(path, recipe, resume=True)) == expected


@pytest.mark.parametrize("network", NETWORKS)
def test_a_run_interrupted_inside_an_epoch(tmp_path, network):
    recipe, expected = whole(tmp_path, network)
    path = tmp_path / "parts"
    cuda_runs.interrupted(path, recipe, after=cuda_runs.STEPS + 4)
    run = cuda_runs.trained(path, recipe, resume=True)
    assert "resuming after step 4 of epoch 2" in (run.path / "run.log").read_text()
    assert fingerprint(run) == expected


_TRAIN = """
import json, sys
import cuda_runs
from kerasnets.recipe import Recipe
cuda_runs.trained(sys.argv[2], Recipe.from_json(sys.argv[1]))
"""


def test_two_processes_on_one_device_do_not_disturb_each_other(tmp_path, small):
    recipe, expected = small
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _TRAIN, recipe.to_json()]
    both = [
        subprocess.Popen([*command, str(tmp_path / name)], env=environment)
        for name in ("one", "other")
    ]
    try:
        assert [process.wait(120) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
            process.wait()
    for name in ("one", "other"):
        assert fingerprint(runs.load(tmp_path / name)) == expected


@pytest.mark.slow  # starts processes one after the other
def test_drill(tmp_path):
    recipe = dataclasses.replace(
        drilling.default_recipe("resnet18"), limit=40, epochs=1
    )
    result = drilling.drill(recipe, tmp_path, kills=1, execution=Execution("cuda"))
    assert result.passed and result.kills == 1
    environment = json.loads((tmp_path / "whole" / "environment.json").read_text())
    assert environment["device"] == "cuda:0"
