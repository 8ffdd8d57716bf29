"""How many threads compute: named, chosen by the load, and kept by a run."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch
from backend_here import only_under

from kerasnets import fit
from kerasnets.compute import runtime, threads
from kerasnets.compute.execution import Execution
from kerasnets.errors import BackendError
from kerasnets.recipe import Recipe
from kerasnets.training import resuming

RECIPE = Recipe.for_paper(
    "resnet18",
    "digits",
    image_size=8,
    limit=12,
    batch_size=12,
    epochs=1,
    validation="test",
)


@pytest.mark.parametrize("wrong", [0, -1, 1025, True, 1.5, "2", "all"])
def test_a_number_that_is_none_is_said_before_anything_computes(wrong):
    with pytest.raises(BackendError, match="from 1 to 1024, or 'auto', not"):
        Execution(threads=wrong)


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_a_backend_that_cannot_be_told_is_named(backend):
    with (
        pytest.raises(BackendError, match=f"sets up PyTorch; {backend}"),
        threads.limited_to(1, backend),
    ):
        pass


@only_under("torch")
def test_a_session_computes_with_the_number_and_the_caller_s_comes_back():
    before = torch.get_num_threads()
    with Execution("cpu", threads=before + 1).begin() as (session, _):
        assert torch.get_num_threads() == session.threads == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("backend", "named", "number"),
    [
        ("jax", "3", 5),
        ("tensorflow", "3", 3),
        ("tensorflow", "0", 5),
        ("tensorflow", "", 5),
        ("tensorflow", "many", 5),
    ],
)
def test_the_recorded_number_of_other_backends_is_theirs(
    backend, named, number, monkeypatch
):
    monkeypatch.setattr(runtime, "affinity", lambda: set(range(5)))  # as of taskset
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", named)
    assert runtime._threads(backend) == number


@pytest.mark.parametrize(
    ("idle", "most", "allowed", "number"),
    [
        ([1000, 1000], 2, 2, 2),  # nothing is lost on an idle machine
        ([950, 900], 2, 2, 2),
        ([1000, 20], 2, 2, 1),  # beside a busy core
        ([0, 0], 2, 2, 1),
        ([1000] * 64, 32, 64, 32),  # one for each core of two hyper-threads
        ([1000] * 64, 64, 1, 1),  # a container with one CPU of many
    ],
)
def test_auto_takes_as_many_as_cores_are_free(
    idle, most, allowed, number, monkeypatch, capsys
):
    times = iter(
        [
            dict.fromkeys(range(len(idle)), (0, 0)),
            {core: (ticks, 1000) for core, ticks in enumerate(idle)},
        ]
    )
    monkeypatch.setattr(threads, "_times", lambda: next(times))
    monkeypatch.setattr(threads, "_SAMPLE_S", 0)
    monkeypatch.setattr(threads, "allowed_cores", lambda: allowed)
    threads.free_cores.cache_clear()
    try:
        assert threads.free_cores(most) == number
    finally:
        threads.free_cores.cache_clear()
    assert f"kerasnets: {number} thread" in capsys.readouterr().err


@only_under("torch")
def test_a_run_goes_on_with_the_threads_it_was_begun_with(
    tmp_path, monkeypatch, narrow_networks
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(resuming, "allowed_cores", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = fit(RECIPE, tmp_path / "run", threads=2, verbosity=0)
        more = dataclasses.replace(RECIPE, epochs=2)
        fit(more, run.path, resume=True, verbosity=0)
    finally:
        torch.set_num_threads(before)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["threads"] == environment["resumed"][0]["threads"] == 2

    def threads_of(named, allowed=2):
        monkeypatch.setattr(resuming, "allowed_cores", lambda: allowed)
        return resuming.with_threads_of(run, Execution(threads=named)).threads

    assert [threads_of(None), threads_of("auto"), threads_of(1)] == [2, 2, 1]
    # As many cores are not there any more.
    assert [threads_of(None, 1), threads_of("auto", 1)] == [None, "auto"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert [threads_of(None), threads_of("auto")] == [None, 2]


def test_the_command_line_says_what_is_wrong():
    done = subprocess.run(
        [sys.executable, "-m", "kerasnets.cli.main", "evaluate", "--threads", "some"],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "kerasnets: --threads must be a whole number from 1 to 1024, or 'auto', not "
        "'some'.\n"
    )
