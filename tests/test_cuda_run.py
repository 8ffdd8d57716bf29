"""The check of a GPU (tests/cuda/run.py), on the CPU: `make cuda` finds and records
what it should, also where it is cut off."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "cuda" / "run.py"


def loaded():
    spec = importlib.util.spec_from_file_location("cuda_run", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cuda_run"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


driver = loaded()


def python(code: str):
    quoted = code.replace("'", '"')
    return driver.Part(1, "-c 'raise SystemExit(9)'", f"-c '{quoted}'")


@pytest.fixture(autouse=True)
def no_probe(monkeypatch):
    """The machine as PyTorch would tell it, which takes seconds."""
    machine = {"command": True, "cuda": False, "device": "cpu", "torch": "2.0"}
    monkeypatch.setattr(driver, "_probe", lambda out, environment: machine)
    return machine


def checked(out: Path, parts, *options: str) -> tuple[int, dict]:
    status = driver.main(["--out", str(out), "--dry-run", *options], parts)
    return status, json.loads((out / "results.json").read_text())


def test_each_part_is_recorded_with_how_it_ended(tmp_path):
    parts = {
        "good": python("print('found it')"),
        "bad": python("raise SystemExit(3)"),
        "none": driver.Part(1, "-c pass", None),
    }
    status, results = checked(tmp_path, parts)
    assert status == 1
    good, bad, none = results["parts"]
    assert (good["status"], good["exit_status"]) == ("passed", 0)
    assert (bad["status"], bad["exit_status"]) == ("failed", 3)
    assert none["status"] == "no dry run"
    assert good["device"] == results["device"] == "cpu" and good["torch"] == "2.0"
    assert good["limit_s"] == driver.DRY_LIMIT_S > good["seconds"] >= 0
    assert "print" in good["command"]
    assert (tmp_path / "good.log").read_text() == "found it\n"
    assert checked(tmp_path, parts, "--parts", "good")[0] == 0


_WITH_A_CHILD = """
import subprocess, sys, time, pathlib
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
pathlib.Path('child').write_text(str(child.pid))
print('half of it', flush=True)
time.sleep(60)
"""


def is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # Dead, but nobody has asked for its status.
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_part_ends_at_its_limit_with_all_that_it_has_started(tmp_path, monkeypatch):
    log = tmp_path / "slow.log"

    class Limited(subprocess.Popen):
        """The part's limit is over as soon as it has told all, the next one's never."""

        def wait(self, timeout=None):
            if timeout == driver.DRY_LIMIT_S and "child" in self.args[-1]:
                while "half of it" not in log.read_text():
                    time.sleep(0.05)
                raise subprocess.TimeoutExpired(self.args, timeout)
            return super().wait(timeout)

    monkeypatch.setattr(driver.subprocess, "Popen", Limited)
    slow = driver.Part(1, "", f"-c {driver.shlex.quote(_WITH_A_CHILD)}")
    parts = {"slow": slow, "next": python("pass")}
    status, results = checked(tmp_path, parts)
    assert status == 1
    first, second = results["parts"]
    assert (first["status"], first["exit_status"]) == ("timed out", None)
    assert 0 <= first["seconds"] < 60  # which its processes would take
    assert second["status"] == "passed"
    assert log.read_text() == "half of it\n"
    assert is_gone(int((tmp_path / "child").read_text()))


def test_the_budget_ends_the_rest(tmp_path):
    parts = {"slow": python("import time; time.sleep(60)"), "next": python("pass")}
    _, results = checked(tmp_path, parts, "--budget", "2.5")
    first, second = results["parts"]
    assert first["status"] == "timed out" and first["limit_s"] <= 2.5
    assert second["status"] == "not started: the budget is spent"


def test_a_check_that_is_cut_off_leaves_what_it_found(tmp_path):
    code = f"""
import sys; sys.path.insert(0, {str(FILE.parent.parent)!r})
import test_cuda_run as test
driver = test.driver
driver._probe = lambda out, environment: {{
    "command": True, "cuda": False, "device": "cpu", "torch": "2.0"}}
parts = {{
    "good": test.python("print(1)"),
    "slow": driver.Part(60, "", "-c " + driver.shlex.quote(test._WITH_A_CHILD)),
    "last": test.python("pass"),
}}
sys.exit(driver.main(["--out", {str(tmp_path)!r}, "--dry-run"], parts))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
                break
            time.sleep(0.05)
        before = json.loads((tmp_path / "results.json").read_text())["parts"]
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert [one["status"] for one in before] == ["passed", "running", "not started"]
    assert process.returncode == 1
    assert told.decode().splitlines() == ["cut off by SIGTERM"]
    after = json.loads((tmp_path / "results.json").read_text())["parts"]
    assert [one["status"] for one in after] == ["passed", "cut off", "not started"]
    assert is_gone(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize(
    ("change", "dry", "words"),
    [
        ({}, False, "PyTorch sees no CUDA device; --dry-run runs the parts on the CPU"),
        ({"command": False}, True, "the kerasnets command is missing: install the"),
        ({"error": "no module"}, True, "PyTorch cannot be imported: no module"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(
    tmp_path, capsys, no_probe, change, dry, words
):
    no_probe.update(change)
    arguments = ["--out", str(tmp_path), *(["--dry-run"] if dry else [])]
    assert driver.main(arguments, {"part": python("pass")}) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"run.py: {words}")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_part_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        driver.main(["--out", str(tmp_path / "out"), "--parts", "test"])
    assert ended.value.code == 2
    assert (
        "unknown part 'test'. Allowed: equality, tests, bench"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", driver.PARTS)
def test_the_commands_of_a_part_have_the_options_that_they_are_given(part):
    from kerasnets.cli.commands import kerasnets

    for arguments in (driver.PARTS[part].arguments, driver.PARTS[part].dry):
        _, what, *words = driver.shlex.split(arguments or "-m pytest")
        if what == "kerasnets.cli.main":
            command = kerasnets.commands[words[0]]
            # Raises where an option, or a name among its values, is unknown.
            command.make_context(words[0], words[1:])


@pytest.mark.slow
def test_the_dry_run_of_every_part_passes(tmp_path):
    answer = subprocess.run(
        [sys.executable, str(FILE), "--out", str(tmp_path), "--dry-run"],
        capture_output=True,
        text=True,
    )
    results = json.loads((tmp_path / "results.json").read_text())
    statuses = {one["part"]: one["status"] for one in results["parts"]}
    logs = {path.name: path.read_text()[-2000:] for path in tmp_path.glob("*.log")}
    assert statuses == {
        "equality": "no dry run",
        "tests": "passed",
        "benchmark": "passed",
        "study": "passed",
        "drill": "no dry run",
    }, (logs, answer.stderr)
    assert answer.returncode == 0
    assert "PyTorch sees no CUDA device" in logs["tests.log"]
    assert (tmp_path / "benchmark" / "resnet18.json").exists()
