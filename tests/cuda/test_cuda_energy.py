"""The card's driver counts joules, and a run records them."""

import time

import cuda_runs
import pytest
import torch

from kerasnets.compute.energy import energy_counter
from kerasnets.runs import read_csv


@pytest.fixture
def joules():
    counter = energy_counter("cuda:0")
    if counter is None:
        pytest.skip("the driver of this card does not tell its energy")
    return counter


def test_the_counter_counts_watts_of_a_card(joules):
    began, before = time.perf_counter(), joules()
    work = torch.rand(4096, 4096, device="cuda:0")
    while time.perf_counter() - began < 1:
        work = torch.mm(work, work).clamp_(0, 1)
        torch.cuda.synchronize()
    watts = (joules() - before) / (time.perf_counter() - began)
    assert 20 < watts < 2000


def test_a_run_records_the_joules_of_its_epochs(tmp_path, joules):
    recipe = cuda_runs.recipe("densenet121", limit=None, epochs=2)
    run = cuda_runs.trained(tmp_path / "run", recipe, engine="torch_graph")
    rows = read_csv(run.path / "energy.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["energy_j"]) > 0 for row in rows)
