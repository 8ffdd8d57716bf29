"""Rows side by side: order, failures, signals, and what the processes share."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kerasnets import runs
from kerasnets.cli.commands import run as command
from kerasnets.compute.execution import Execution
from kerasnets.paper import plan as plans
from kerasnets.paper.outcomes import FINISHED, record_failure
from kerasnets.paper.plan import PlannedRun, RunsFolder, plan
from kerasnets.paper.reproduction import reproduce as reproducing
from kerasnets.paper.reproduction import side_by_side as module
from kerasnets.paper.reproduction.estimate import estimate
from kerasnets.paper.reproduction.longest_first import longest_first
from kerasnets.paper.reproduction.reproduce import reproduce
from kerasnets.paper.scales import recipe_at

NOWHERE = RunsFolder(Path())
ROWS = ("mnist-resnet34-original", "mnist-densenet121", "mnist-vgg19-original")

# In the place of a run's process, so that a test takes no training.
FAKE = """
    import json, os, signal, sys, time
    from pathlib import Path
    job = json.loads(sys.stdin.readline())
    folder = Path(job["place"])
    row, notes = job["row"], folder / "notes"
    notes.mkdir(exist_ok=True)
    def note(name, text=""):
        (notes / f"{row}.{name}").write_text(text)
    note("threads", os.environ["OMP_NUM_THREADS"])
    note("began", str(time.monotonic()))
    def stop(number, frame):
        note("stopped")
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    what = json.loads((folder / "what.json").read_text()).get(row, "end")
    print("ready", flush=True)
    if what == "raise":
        raise ValueError("the disk\\nis away")
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "held" and not job["wait"]:
        sys.exit(75)
    if what == "sleep":
        time.sleep(60)
    if what == "orphan":
        os.read(0, 1)
        note("orphaned")
    time.sleep(0.1)
    note("ended", str(time.monotonic()))
"""


@pytest.fixture
def study(tmp_path, tiny, monkeypatch):
    """A study whose processes do as its what.json says of their row."""
    (tmp_path / "fake_run_process.py").write_text(textwrap.dedent(FAKE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "_COMMAND", "fake_run_process")
    found = plan(tmp_path / "study", scale=tiny)
    plans.begin(found)
    return found


def bring_on(study, what=None, rows=ROWS, **options):
    (study.path / "what.json").write_text(json.dumps(what or {}))
    options = {"jobs": 2, "verbosity": 0, "say": lambda line: None, **options}
    return reproduce(study, rows, execution=Execution("cpu"), **options)


def noted(study, row, name) -> float:
    return float((study.path / "notes" / f"{row}.{name}").read_text())


def test_rows_train_side_by_side_as_they_do_alone(tmp_path, tiny, quick_processes):
    written: list[int] = []
    study = plan(tmp_path / "both", scale=tiny)
    said: list[str] = []

    def ended() -> None:
        results = json.loads((study.path / "results.json").read_text())
        written.append(results["finished"])

    def bring(study, **options):
        return reproduce(study, ROWS[:2], execution=Execution("cpu"), **options)

    both = bring(study, jobs=2, say=said.append, ended=ended)
    assert len(written) == 2 and written[-1] == 2
    assert sum("epoch 1/1: accuracy" in line for line in said) == 2
    assert sum("finished, test accuracy" in line for line in said) == 2
    alone = bring(
        plan(tmp_path / "alone", scale=tiny), verbosity=0, say=lambda line: None
    )
    accuracies = [[one.accuracy for one in found.cells] for found in (both, alone)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.03)  # threads may differ
    assert [one.state for one in both.outcomes].count(FINISHED) == 2


def test_no_more_than_jobs_at_a_time(study):
    bring_on(study)
    began = [noted(study, row, "began") for row in ROWS]
    ended = [noted(study, row, "ended") for row in ROWS]
    assert max(began) >= min(ended)


@pytest.mark.parametrize(
    ("device", "order"),
    [
        ("cpu", ("vgg19-modified", "densenet121", "resnet34-modified")),
        ("cuda:0", ("densenet121", "resnet34-modified", "vgg19-modified")),
    ],
)
def test_the_longest_is_the_papers_on_its_device(device, order):
    rows = ("resnet34-modified", "vgg19-modified", "densenet121")
    planned = [
        PlannedRun(NOWHERE, name, 0, recipe_at("paper", f"cifar10-{name}"))
        for name in rows
    ]
    assert tuple(one.row for one in longest_first(planned, device)) == order


def test_a_wider_stem_takes_longer():
    recipe = recipe_at("paper", "cifar10-resnet34-modified")
    wide = dataclasses.replace(recipe, stem="cifar")
    for device in ("cpu", "cuda:0"):
        planned = [
            PlannedRun(NOWHERE, "as it is", 0, recipe),
            PlannedRun(NOWHERE, "wide", 0, wide),
        ]
        assert longest_first(planned, device)[0].row == "wide"


def test_cores_are_divided_unless_the_user_has_said_how_many(study, monkeypatch):
    monkeypatch.setattr(module, "allowed_cores", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    bring_on(study, jobs=3)
    assert noted(study, ROWS[0], "threads") == 2
    bring_on(study, jobs=99, rows=ROWS[:1])  # one row has them all
    assert noted(study, ROWS[0], "threads") == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    bring_on(study, jobs=3)
    assert noted(study, ROWS[0], "threads") == 5


def test_a_process_that_ends_before_its_time_stops_no_other(study):
    said: list[str] = []
    what = {ROWS[0]: "raise", ROWS[1]: "killed"}
    found = bring_on(study, what, say=said.append)
    assert noted(study, ROWS[2], "ended")
    failures = {one.row: one.failure for one in found.failed}
    assert failures == {
        ROWS[0]: "its process ended with status 1 (is away)",
        ROWS[1]: "its process was ended by SIGKILL",
    }
    for row, failure in failures.items():
        assert f"{row}-seed0: failed: {failure}" in said
    # It may have been the machine's fault: it is tried again, and a dry run counts it.
    repeated, *_ = estimate(study.runs[:1], execution=Execution("cpu"))
    assert repeated.seconds > 0
    bring_on(study)
    assert noted(study, ROWS[0], "ended") and noted(study, ROWS[1], "ended")


def test_a_study_that_is_settled_starts_no_process(study):
    for planned in study.runs:
        record_failure(planned, "the loss is NaN", diverged=True)
    found = bring_on(study)
    assert len(found.failed) == len(study.runs)
    assert not (study.path / "notes").exists()


def test_failures_are_named_at_the_end_and_by_the_status(
    study, monkeypatch, capsys, tmp_path
):
    (study.path / "what.json").write_text(json.dumps({ROWS[0]: "raise"}))
    arguments = ["--out", str(study.path), "--jobs", "2", "--device", "cpu", *ROWS[:2]]
    assert command(["reproduce", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kerasnets: {ROWS[0]}, seed 0, failed: its process ended")
    assert (study.path / "report.html").exists()


def test_a_row_that_another_process_holds_is_left_or_waited_for(study):
    said: list[str] = []
    bring_on(study, {ROWS[0]: "held"}, say=said.append)
    assert said[-1] == f"{ROWS[0]}-seed0: another process works on it"
    bring_on(study, {ROWS[0]: "held"}, say=said.append, wait=True)
    assert f"{ROWS[0]}-seed0: waiting for the process that works on it" in said
    assert noted(study, ROWS[0], "ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_processes(study, number):
    ready = []

    def say(line: str) -> None:
        if line.endswith("ready"):
            ready.append(line)
            if len(ready) == 2:
                os.kill(os.getpid(), number)

    def end(number, frame):
        raise KeyboardInterrupt

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            bring_on(study, dict.fromkeys(ROWS, "sleep"), say=say)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert time.monotonic() - began < 50
    stopped = {file.name for file in (study.path / "notes").glob("*.stopped")}
    assert stopped == {f"{line.partition('-seed0')[0]}.stopped" for line in ready}
    assert not list((study.path / "failures").iterdir())


def test_processes_end_with_a_parent_that_is_killed(study, tmp_path):
    (study.path / "what.json").write_text(json.dumps({ROWS[0]: "orphan"}))
    code = f"""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, {str(tmp_path)!r})
        from kerasnets.compute.execution import Execution
        from kerasnets.paper.reproduction import side_by_side as module
        from kerasnets.paper.reproduction.settings import Settings
        from kerasnets.paper.plan import PlannedRun, RunsFolder
        from kerasnets.paper.scales import recipe_at
        module._COMMAND = "fake_run_process"
        place = RunsFolder(Path({str(study.path)!r}))
        planned = PlannedRun(place, {ROWS[0]!r}, 0, recipe_at("smoke", {ROWS[0]!r}))
        def say(line):
            if line.endswith("ready"):
                os.kill(os.getpid(), 9)
        module.side_by_side(
            [planned], Settings(Execution("cpu"), jobs=2, say=say), "cpu")
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert process.returncode == -9
    file = study.path / "notes" / f"{ROWS[0]}.orphaned"
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_whose_parent_is_gone_keeps_a_checkpoint(tmp_path, tiny, quick_processes):
    study = plan(tmp_path / "study", scale=tiny)
    plans.begin(study)
    recipe = dataclasses.replace(study.recipe(ROWS[0]), epochs=500)
    planned = PlannedRun(study, ROWS[0], 0, recipe)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            module._COMMAND,
            planned.name,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin and process.stdout
    job = {
        "place": str(study.path),
        "row": planned.row,
        "seed": 0,
        "alternative": "",
        "recipe": dataclasses.asdict(recipe),
        "execution": {"device": "cpu"},
        "keep_checkpoints": "none",
        "command_line": True,
        "wait": False,
        "verbosity": 1,
    }
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("epoch 1/500"):
            break
    process.stdin.close()
    assert process.wait(120) == 143
    process.stdout.close()
    assert list((planned.folder / "checkpoint").iterdir())
    assert runs.load(planned.folder).history
    assert not planned.failure_file.exists()


def test_the_page_is_written_when_a_row_ends(tmp_path, monkeypatch, capsys):
    pages: list[bool] = []
    out = tmp_path / "study"

    def end(planned, means, **options):
        pages.append((out / "report.html").exists())
        return ""

    monkeypatch.setattr(reproducing, "complete_run", end)
    words = ["reproduce", "--scale", "smoke", "--device", "cpu", "--out", str(out)]
    assert command([*words, *ROWS[:2]]) == 0
    assert pages == [False, True]
    assert capsys.readouterr().err == ""
    # A page that cannot be written ends no study.
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    assert command([*words, ROWS[0]]) == 0
    assert "report.html is not written: " in capsys.readouterr().err
