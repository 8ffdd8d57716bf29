"""What a benchmark says of contenders that fail, take too long, or do not fit."""

import json
from types import SimpleNamespace

import jobs
import pytest

from kerasnets.benchmark import (
    comparison,
    compiling,
    footprint,
    measure,
    processes,
    profile,
    work,
)
from kerasnets.benchmark.comparison import benchmark
from kerasnets.benchmark.contenders import choice
from kerasnets.cli.commands import run
from kerasnets.cli.training.tables import print_benchmark

TWIN = "plain PyTorch twin"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Contenders that compute nothing."""
    monkeypatch.setattr(comparison, "_place", jobs.place)
    monkeypatch.setattr(comparison.roofline, "measure_ceiling", jobs.ceiling)
    monkeypatch.setattr(comparison.runtime, "backend", lambda: "torch")
    monkeypatch.setattr(choice, "torchvision_works", lambda: False)


@pytest.fixture
def compare(monkeypatch, tmp_path):
    def run(job, against=("torchvision-compiled", "keras"), **options):
        monkeypatch.setattr(processes, "turns", job)
        monkeypatch.setattr(compiling, "turns", job)
        monkeypatch.setattr(footprint, "turns", job)
        said: list[str] = []
        options = {"only": ("train",), "device": "cpu", "rounds": 3, **options}
        (found,) = benchmark(
            ["resnet18"], against=against, folder=tmp_path, say=said.append, **options
        )
        assert json.loads((tmp_path / "resnet18.json").read_text()) == found
        return found, said

    return run


def test_a_compiled_contender_says_how_long_it_took(compare):
    found, _ = compare(jobs.take_turns, batch_sizes=(2, 4))
    assert [part["batch_size"] for part in found["train"]] == [2, 4]
    numbers = found["train"][0]["contenders"][f"{TWIN}, compiled"]
    assert numbers["compile_s"] == 8.5 and numbers["seconds"] == [0.5] * 3
    assert found["train"][0]["ratios"].keys() == {f"{TWIN}, compiled", "keras"}
    assert found["finished"] and not found["inference"]


def test_every_contender_is_told_how_to_compute(compare):
    found, _ = compare(jobs.two_threads, threads=2, deterministic=True)
    assert not found["train"][0]["failed"]


def test_the_faster_of_two_memory_formats_is_named(compare):
    found, _ = compare(jobs.take_turns, against=("torchvision",))
    (ratio,) = found["train"][0]["ratios"].items()
    formats = [f"{TWIN} contiguous", f"{TWIN} channels-last"]
    assert ratio[0] in formats and ratio[1]["faster_of"] == formats


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_compiler_that_fails_ends_nothing(compare, device):
    found, said = compare(jobs.fails_compiling, device=device)
    (part,) = found["train"]
    failed = part["failed"][f"{TWIN}, compiled"]
    assert failed["why"] == "RuntimeError: no C++ compiler was found"
    assert "jobs.py" in failed["traceback"]
    assert part["contenders"].keys() == {"kerasnets", "keras"}
    assert f"{TWIN}, compiled failed: {failed['why']}" in said[-1]


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_compiler_that_takes_too_long_is_not_waited_for(compare, device):
    found, _ = compare(jobs.never_ready, device=device, budget_s=1.0, rounds=1)
    failed = [
        part["failed"][f"{TWIN}, compiled"]["why"] for part in found["train"]
    ] or found["left_out"]
    assert len(failed) == 1
    assert "budget" in failed[0] or "resnet18, training" in failed[0]


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_compiler_that_fails_leaves_start_and_profile_of_the_others(
    compare, monkeypatch, tmp_path, device
):
    monkeypatch.setattr(profile, "_rows", jobs.fails_profiling)
    found, said = compare(
        jobs.fails_compiling, device=device, only=("train", "start"), profiled=True
    )
    assert found["finished"] and found["footprint"].keys() == {"kerasnets", "keras"}
    for what in ("start", "profile"):
        (name, failed), *others = found["failed"][what].items()
        assert name == f"{TWIN}, compiled" and not others
        assert failed["why"] == "RuntimeError: no C++ compiler was found"
        assert "jobs.py" in failed["traceback"]
        assert f"resnet18, {what}: {name} failed: {failed['why']}" in said
    table = (tmp_path / "resnet18-profile.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in table[1:]] == ["kerasnets", "keras"]


def test_the_start_of_a_compiler_that_takes_too_long_is_not_waited_for(compare):
    found, _ = compare(jobs.never_ready, only=("start",), budget_s=1.0)
    failed = [*found["failed"]["start"], *found["left_out"]]
    assert any(f"{TWIN}, compiled" in one for one in failed)


def test_memory_for_the_start_that_one_lacks_the_others_have(compare, capsys):
    found, _ = compare(
        jobs.out_of_memory_alone, ("keras", "torchvision"), only=("start",)
    )
    why = {name: one["why"] for name, one in found["failed"]["start"].items()}
    assert why == {"keras": "out of memory at batch size 64."}
    assert len(found["footprint"]) == 3
    print_benchmark([found])
    assert "failed" in capsys.readouterr().out


def test_the_exit_status_says_that_ours_failed_to_start(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(footprint, "turns", jobs.ours_fails)
    command = ["benchmark", "resnet18", "--only", "start", "--device", "cpu"]
    assert run([*command, "--against", "keras", "--out", str(tmp_path), "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["failed"]["start"].keys() == {"kerasnets"}
    assert report["footprint"].keys() == {"keras"}


def test_ours_that_fails_in_a_turn_leaves_the_others(compare):
    found, _ = compare(jobs.fails_in_a_turn)
    (part,) = found["train"]
    assert part["failed"]["kerasnets"]["why"] == "ValueError: no number"
    assert part["contenders"].keys() == {f"{TWIN}, compiled", "keras"}
    assert part["ratios"] == {}


def test_where_memory_is_short_turns_come_one_after_another(
    compare, tmp_path, monkeypatch
):
    monkeypatch.setenv("FIRST_TIME", str(tmp_path / "tried"))
    found, _ = compare(jobs.out_of_memory_once, device="cuda:0")
    (part,) = found["train"]
    assert part["turns"] == processes.ONE_BY_ONE
    assert len(part["contenders"]) == 3 and not part["failed"]


def test_the_budget_ends_rounds_and_leaves_out_the_rest(compare, monkeypatch):
    passed = 0  # seconds, one in each round

    def a_round_begins():
        nonlocal passed
        passed += 1
        return passed

    clock = SimpleNamespace(perf_counter=lambda: passed)
    monkeypatch.setattr(comparison, "time", clock)
    monkeypatch.setattr(work, "time", clock)
    rounds = SimpleNamespace(perf_counter=a_round_begins, sleep=lambda seconds: None)
    monkeypatch.setattr(measure, "time", rounds)
    found, said = compare(
        jobs.take_turns, against=("keras",), budget_s=3.5, batch_sizes=(2, 4), rounds=99
    )
    (part,) = found["train"]
    assert part["rounds"] == 4
    assert found["left_out"] == ["resnet18, training, 32x32, batch 4, float32"]
    assert "of 99" in said[1] and "left out" in said[2]


def test_other_sizes_have_a_file_of_their_own(compare, tmp_path):
    compare(jobs.take_turns, against=("keras",))
    benchmark(
        ["resnet18"],
        against=("keras",),
        image_size=64,
        precisions=("float32", "mixed_bfloat16"),
        only=("train",),
        device="cpu",
        folder=tmp_path,
        say=lambda line: None,
    )
    found = json.loads((tmp_path / "resnet18-64.json").read_text())
    assert [part["precision"] for part in found["train"]] == [
        "float32",
        "mixed_bfloat16",
    ]
    assert {part["image_size"] for part in found["train"]} == {64}
    assert (tmp_path / "resnet18.json").exists()


def test_onnxruntime_stands_beside_inference_alone(compare, capsys):
    found, said = compare(
        jobs.take_turns, ("onnxruntime",), only=("train", "inference"), batch_sizes=(2,)
    )
    assert found["train"][0]["contenders"].keys() == {"kerasnets"}
    assert found["inference"][0]["contenders"].keys() == {"kerasnets", "onnxruntime"}
    assert found["inference"][0]["ratios"].keys() == {"onnxruntime"}
    assert "x onnxruntime" in said[-1]
    print_benchmark([found])
    assert capsys.readouterr().out.count("onnxruntime") == 1
