"""The benchmark times what it says, and its contenders do the same work."""

import json
import multiprocessing
import time
from functools import partial

import jobs
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.benchmark import footprint, processes, profile, roofline
from kerasnets.benchmark.contenders import choice
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.measure import Ready, Timing, interleave, ratio
from kerasnets.benchmark.part import part_of
from kerasnets.benchmark.processes import Found
from kerasnets.benchmark.work import Work
from kerasnets.cli.commands import run as _run
from kerasnets.runs import read_csv
from kerasnets.training.drill import warm_context

torch = pytest.importorskip("torch")


def test_the_order_turns_and_warm_up_does_not_count():
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return float(len(order))

    timings = interleave(
        {name: partial(turn, name) for name in "abc"}, images=10, rounds=3, warm_up=1
    )
    assert "".join(order) == "cab" + "abc" + "bca" + "cab"
    assert timings["a"].seconds.tolist() == [4, 9, 11]
    assert timings["b"].images_per_s == 10 / 7


def test_no_round_is_begun_after_the_time_is_up():
    timings = interleave(
        {"a": lambda: 1.0}, images=1, rounds=5, warm_up=1, until=time.perf_counter()
    )
    assert timings["a"].seconds.tolist() == [1.0]


@given(
    st.lists(
        st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=3, max_size=20
    )
)
def test_the_ratio_is_inside_its_interval_and_turns_over(pairs):
    ours, theirs = (Timing(np.array(column), 1) for column in zip(*pairs, strict=True))
    middle, low, high = ratio(ours, theirs)
    assert low <= middle * (1 + 1e-12) and middle <= high * (1 + 1e-12)
    equal = ratio(ours, ours)
    assert equal == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("rounds", [1, 2])
def test_one_after_another_only_the_rounds_that_all_have_are_paired(rounds):
    found = Found(processes.ONE_BY_ONE)
    taken = {"kerasnets": [0.1, 0.2, 0.3], "keras": [0.3, 0.6][:rounds]}
    for name, seconds in taken.items():
        found.timings[name] = Timing(np.array(seconds), 64)
        found.ready[name] = Ready(1.0, 1.0, 0.1, None, None)
    names = [Contender(name, engine="keras") for name in found.timings]
    part = part_of(Work(network="resnet18"), names, found, None)
    assert part["rounds"] == rounds
    assert part["ratios"]["keras"] == {"ratio": 3.0, "low": 3.0, "high": 3.0}
    assert len(part["contenders"]["kerasnets"]["seconds"]) == 3


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="torchvision runs on PyTorch"
)
def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(choice, "torchvision_works", lambda: False)
    warm = warm_context()  # each process has its imports already
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: warm)
    for module in (processes, footprint):
        monkeypatch.setattr(module, "turns", jobs.quick_turns)
    monkeypatch.setattr(roofline, "measure_ceiling", jobs.quick_ceiling)
    monkeypatch.setattr(profile, "_rows", jobs.quick_rows)
    arguments = ["benchmark", "resnet18", "--batch-size", "2", "--rounds", "2"]
    arguments += ["--inference-batch-size", "2", "--out", str(tmp_path), "--json"]
    arguments += ["--profile", "--against", "keras"]
    assert _run([*arguments, "--device", "cpu"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == [json.loads((tmp_path / "resnet18.json").read_text())]
    (report,) = printed
    names = {"kerasnets", "keras"}
    assert set(report["train"][0]["contenders"]) == names == set(report["footprint"])
    assert report["processes"] == "one for each contender"
    for compared in report["train"] + report["inference"]:
        for numbers in compared["contenders"].values():
            assert len(numbers["seconds"]) == 2 and min(numbers["seconds"]) > 0
    assert report["train"][0]["ratios"].keys() == {"keras"}
    shares = dict.fromkeys(names, 0.0)
    for row in read_csv(tmp_path / "resnet18-profile.csv"):
        shares[row["contender"]] += float(row["share"])
    assert shares == pytest.approx(dict.fromkeys(names, 1.0), abs=0.01)
    assert (tmp_path / "resnet18.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["tensorflw", "kerasnets"])
def test_unknown_contenders_are_refused(name, capsys):
    assert _run(["benchmark", "resnet18", "--against", name]) == 2
    assert f"unknown contender {name!r}" in capsys.readouterr().err
