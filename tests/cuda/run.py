"""Check one GPU, and measure it, within a few minutes: `make cuda`.

Runs the parts below one after the other, each within its own time limit. OUT/PART.log
has what a part says, as it says it; OUT/results.json has a record of each part that has
ended, and of the one under way, so that a check that is cut off leaves what it found.

    python tests/cuda/run.py --out OUT
    python tests/cuda/run.py --out OUT --dry-run      the same on the CPU, in small

The exit status is 0 if every part passed, 1 if one did not, 2 if none could run.
"""

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TESTS = str(ROOT / "tests" / "cuda")
KERASNETS = "-m kerasnets.cli.main"
PYTEST = (
    f"-m pytest {shlex.quote(TESTS)} --confcutdir {shlex.quote(TESTS)} "
    f"--rootdir {shlex.quote(str(ROOT))} -p no:cacheprovider -v -rfEs --durations 15"
)


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        limit_s: seconds that it may take on a GPU.
        arguments: of Python. {out} is the folder for the results.
        dry: those of the dry run, on the CPU; None where it has none.
    """

    limit_s: float
    arguments: str
    dry: str | None


PARTS = {
    "equality": Part(90, f"{PYTEST} -k equality", None),
    "tests": Part(90, f"{PYTEST} -k 'not equality'", PYTEST),
    "benchmark": Part(
        110,
        f"{KERASNETS} benchmark resnet34 --device cuda --batch-size 64 --only train "
        "--precision float32 --precision mixed_bfloat16 --rounds 5 --budget 95 "
        "--against torchvision,torchvision-compiled --out {out}/benchmark",
        f"{KERASNETS} benchmark resnet18 --device cpu --batch-size 2 --only train "
        "--rounds 1 --against keras --out {out}/benchmark",
    ),
    "study": Part(
        60,
        f"{KERASNETS} reproduce --scale smoke mnist-vgg19-modified "
        "mnist-resnet34-modified mnist-densenet121 --device cuda --jobs 3 "
        "--out {out}/study",
        f"{KERASNETS} reproduce --scale smoke mnist-resnet34-modified --device cpu "
        "--dry-run --out {out}/study",
    ),
    "drill": Part(60, f"{KERASNETS} drill resnet18 --kills 2 --device cuda", None),
}
BUDGET_S = 360.0
# A dry run takes a minute on an idle machine; others may share it.
DRY_LIMIT_S, DRY_BUDGET_S = 600.0, 1500.0

# A part that is asked to end has so long to do it.
_GRACE_S = 3.0
# With less left, a part would only show that it can be ended.
_LEAST_S = 2.0
_PROBE_S = 90.0

_PROBE = """
import importlib.util, json
command = importlib.util.find_spec("kerasnets") and importlib.util.find_spec(
    "kerasnets.cli"
)
import torch
there = torch.cuda.is_available()
print(json.dumps({
    "command": command is not None,
    "cuda": there,
    "device": torch.cuda.get_device_name(0) if there else "cpu",
    "torch": torch.__version__,
}))
"""


class _CutOff(BaseException):
    """SIGTERM or SIGINT came."""


def main(arguments: Sequence[str] | None = None, parts: dict[str, Part] = PARTS) -> int:
    parser = argparse.ArgumentParser(
        description="Check one GPU, and measure it, within a few minutes."
    )
    parser.add_argument("--out", type=Path, default=Path("artifacts/runs/cuda"))
    parser.add_argument(
        "--parts",
        default=",".join(parts),
        help="which, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SECONDS",
        help=f"for all parts together (default: {BUDGET_S:g})",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="the same on the CPU, in small"
    )
    chosen = parser.parse_args(arguments)
    names = [name.strip() for name in chosen.parts.split(",") if name.strip()]
    for name in names:
        if name not in parts:
            parser.error(f"unknown part {name!r}. Allowed: {', '.join(parts)}.")
    budget = chosen.budget
    if budget is None:
        budget = DRY_BUDGET_S if chosen.dry_run else BUDGET_S
    if not budget > 0:
        parser.error(f"--budget must be more than 0 seconds, not {budget:g}.")
    began = time.monotonic()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environment = _environment(chosen.dry_run)
    machine = _probe(out, environment)
    if not machine.get("command", True):  # not installed: in a checkout, perhaps
        path = [os.environ.get("PYTHONPATH", ""), str(ROOT)]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        machine = _probe(out, environment)
    refusal = _refusal(machine, dry_run=chosen.dry_run)
    if refusal:
        print(f"{Path(__file__).name}: {refusal}", file=sys.stderr)
        return 2
    facts = {
        "device": machine["device"],
        "torch": machine["torch"],
        "dry_run": chosen.dry_run,
    }
    print(f"{facts['device']}, PyTorch {facts['torch']}; results go to {out}")
    records: list[dict[str, Any]] = [
        {"part": name, "status": "not started"} for name in names
    ]
    with _signals():
        try:
            for record in records:
                part = parts[record["part"]]
                left = budget - (time.monotonic() - began)
                _run(part, record, records, facts, out, environment, left)
        except _CutOff as asked:
            print(f"cut off by {asked}", file=sys.stderr)
    _write(out, facts, records)
    return 0 if all(one["status"] in ("passed", "no dry run") for one in records) else 1


def _refusal(machine: dict[str, Any], *, dry_run: bool) -> str | None:
    """Why nothing can run, or None."""
    if "error" in machine:
        return f"PyTorch cannot be imported: {machine['error']}"
    if not machine["command"]:
        return (
            "the kerasnets command is missing: install the package (pip install -e .), "
            "or link kerasnets/cli to cli."
        )
    if not machine["cuda"] and not dry_run:
        return "PyTorch sees no CUDA device; --dry-run runs the parts on the CPU."
    return None


def _environment(dry_run: bool) -> dict[str, str]:
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONUNBUFFERED": "1"}
    if dry_run:
        environment["CUDA_VISIBLE_DEVICES"] = ""
        # Beside other programs, threads wait for each other most of the time.
        environment.setdefault("OMP_NUM_THREADS", "1")
    return environment


def _probe(out: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The device and the versions, as a process like those of the parts sees them."""
    try:
        found = subprocess.run(
            [sys.executable, "-c", _PROBE],
            cwd=out,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it takes more than {_PROBE_S:g} s."}
    lines = found.stdout.splitlines()
    if found.returncode or not lines:
        return {"error": (found.stderr.strip().splitlines() or ["no answer."])[-1]}
    return json.loads(lines[-1])


def _run(
    part: Part,
    record: dict[str, Any],
    records: list[dict[str, Any]],
    facts: dict[str, Any],
    out: Path,
    environment: dict[str, str],
    left_s: float,
) -> None:
    """Run a part within its limit and what is left of the budget, and note in its
    record how it ended."""
    arguments = part.dry if facts["dry_run"] else part.arguments
    if arguments is None:
        record["status"] = "no dry run"
    elif left_s < _LEAST_S:
        record["status"] = "not started: the budget is spent"
    if arguments is None or left_s < _LEAST_S:
        _end(out, facts, records, record)
        return
    words = [word.format(out=out) for word in shlex.split(arguments)]
    limit_s = min(DRY_LIMIT_S if facts["dry_run"] else part.limit_s, left_s)
    record |= {
        "status": "running",
        "limit_s": round(limit_s, 1),
        "command": shlex.join([Path(sys.executable).name, *words]),
        "log": f"{record['part']}.log",
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }
    _write(out, facts, records)
    print(f"{record['part']}: {record['command']}", flush=True)
    began = time.monotonic()
    try:
        with (out / record["log"]).open("wb") as log:
            status = _within(
                [sys.executable, *words], limit_s, log, cwd=out, env=environment
            )
        record["exit_status"] = status
        record["status"] = (
            "timed out" if status is None else "failed" if status else "passed"
        )
    except _CutOff:
        record["status"] = "cut off"
        raise
    finally:
        record["seconds"] = round(time.monotonic() - began, 1)
        _end(out, facts, records, record)


def _within(command: list[str], limit_s: float, log: Any, **options: Any) -> int | None:
    """The exit status of a command that may take so many seconds, or None where they
    passed. None of the processes that it has started outlives it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _signal(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """The first SIGTERM or SIGINT in the block raises `_CutOff`, others do nothing."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def cut_off(number: int, frame: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise _CutOff(signal.Signals(number).name)

    before = {number: signal.signal(number, cut_off) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(
    out: Path,
    facts: dict[str, Any],
    records: list[dict[str, Any]],
    record: dict[str, Any],
) -> None:
    _write(out, facts, records)
    seconds = f" after {record['seconds']:g} s" if "seconds" in record else ""
    print(f"{record['part']}: {record['status']}{seconds}", flush=True)


def _write(out: Path, facts: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """results.json, whole at any moment: a record a line."""
    lines = ",\n".join(f"  {json.dumps(record)}" for record in records)
    head = json.dumps(facts)[1:-1]
    temporary = out / "results.json.tmp"
    temporary.write_text(f'{{{head}, "parts": [\n{lines}\n]}}\n', encoding="utf-8")
    temporary.replace(out / "results.json")


if __name__ == "__main__":
    sys.exit(main())
