"""Parallel runs of a study, each in its own process, on one device.

A process writes only its own run folder and failure file. The parent process writes
shared files (results, report) after each run.
"""

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kerasnets.compute.threads import allowed_cores
from kerasnets.errors import is_command_line
from kerasnets.paper.outcomes import FAILED, FINISHED, outcome, record_failure
from kerasnets.paper.plan import PlannedRun
from kerasnets.paper.reproduction.longest_first import longest_first
from kerasnets.paper.reproduction.settings import Settings
from kerasnets.text import duration, spaced_percent

_COMMAND = "kerasnets.paper.reproduction.run_process"
HELD = 75  # exit status: another process works on the run
_LAST_WORDS = 200  # characters of a crashed process's last line
_PATIENCE_S = 10  # grace period after the second signal


def side_by_side(
    unsettled: Sequence[PlannedRun], settings: Settings, device: str
) -> None:
    """Complete runs, `settings.jobs` at a time, the longest first.

    If a run fails or its process dies, this is recorded, and the others continue.
    Ctrl-C and SIGTERM are forwarded to the processes, which end with a checkpoint.

    Args:
        device: see `kerasnets.compute.runtime.Session`.
    """
    order = longest_first(unsettled, device)
    say, jobs = settings.say, min(settings.jobs, len(order))
    environment = _environment(jobs)

    def job(planned: PlannedRun, *, wait: bool) -> dict[str, Any]:
        return {
            "place": planned.place.path,
            "row": planned.row,
            "seed": planned.seed,
            "alternative": planned.alternative,
            "recipe": dataclasses.asdict(planned.recipe),
            "execution": dataclasses.asdict(settings.execution),
            "keep_checkpoints": settings.keep_checkpoints,
            "wait": wait,
            "verbosity": settings.verbosity,
            "command_line": is_command_line(),
        }

    def work_through(waiting: deque[PlannedRun], *, wait: bool) -> list[PlannedRun]:
        """Complete the waiting runs; return those held by another process."""
        held = []
        with _processes(say) as running:
            while waiting or running.processes:
                while waiting and len(running.processes) < jobs:
                    planned = waiting.popleft()
                    say(f"{planned.name}: starts or resumes")
                    running.start(planned, job(planned, wait=wait), environment)
                process, line = running.next()
                if line is not None:
                    say(f"{process.planned.name}: {line}")
                elif process.status == HELD:
                    held.append(process.planned)
                else:
                    _tell_end(process, say)
                    settings.ended()
        return held

    for planned in (held := work_through(deque(order), wait=False)):
        settings.say_held(planned.name)
    if settings.wait and held:
        work_through(deque(held), wait=True)


class _Process:
    """A run's process, from the parent's point of view.

    Attributes:
        planned: the run.
        last_line: last line of its output.
        status: its exit status; None while it runs.
    """

    def __init__(
        self,
        planned: PlannedRun,
        job: dict[str, Any],
        environment: dict[str, str],
        events: "queue.Queue[tuple[_Process, str | None]]",
    ) -> None:
        self.planned = planned
        self.last_line = ""
        self.status: int | None = None
        self.began = time.monotonic()
        self._events = events
        # In its own process group, it receives Ctrl-C only through this process. Its
        # standard input closes when this process ends in any way; then it ends too.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _COMMAND, planned.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=environment,
            process_group=0 if os.name == "posix" else None,
        )
        threading.Thread(target=self._read, daemon=True).start()
        assert self._process.stdin
        text = json.dumps(job, default=str)  # JSON has no paths
        with contextlib.suppress(OSError):  # it has ended; see its status
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for text in self._process.stdout:
            if line := text.strip():
                self.last_line = line
                self._events.put((self, line))
        self._process.wait()
        self._events.put((self, None))

    def end(self) -> None:
        self.status = self._process.wait()
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)  # no effect if it has ended

    @property
    def how_it_ended(self) -> str:
        assert self.status is not None
        if self.status < 0:
            return f"its process was ended by {_signal_name(-self.status)}"
        if self.status - 128 in (signal.SIGINT, signal.SIGTERM):
            return f"its process was stopped by {_signal_name(self.status - 128)}"
        said = f" ({self.last_line[:_LAST_WORDS]})" if self.last_line else ""
        return f"its process ended with status {self.status}{said}"


class _Processes:
    """The running processes."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[_Process, str | None]] = queue.Queue()
        self.processes: list[_Process] = []

    def start(
        self, planned: PlannedRun, job: dict[str, Any], environment: dict[str, str]
    ) -> None:
        self.processes.append(_Process(planned, job, environment, self._events))

    def next(self, timeout: float | None = None) -> tuple[_Process, str | None]:
        """A process and its next line of output, or None once it has ended."""
        process, line = self._events.get(timeout=timeout)
        if line is None:
            process.end()
            self.processes.remove(process)
        return process, line

    def stop(self, number: int, timeout: float | None = None) -> None:
        """Send a signal to all processes, and wait until they end, at most `timeout`
        seconds."""
        for process in self.processes:
            process.signal(number)
        until = None if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(queue.Empty):
            while self.processes:
                self.next(None if until is None else max(0, until - time.monotonic()))


@contextlib.contextmanager
def _processes(say: Callable[[str], None]) -> Iterator[_Processes]:
    """Processes that do not outlive the block. After an error or a signal they write
    checkpoints; a second signal ends them at once."""
    running = _Processes()
    try:
        yield running
    except KeyboardInterrupt:
        if count := len(running.processes):
            say(f"stopping: {count} runs make a checkpoint at their next step")
        raise
    finally:
        try:
            running.stop(signal.SIGTERM)
        except KeyboardInterrupt:
            running.stop(signal.SIGTERM, _PATIENCE_S)
            raise
        finally:
            running.stop(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)


def _tell_end(process: _Process, say: Callable[[str], None]) -> None:
    """Report how a run ended, and record a failure if its process could not."""
    planned = process.planned
    found = outcome(planned)
    if process.status != 0 and found.state != FINISHED:
        record_failure(planned, process.how_it_ended)
        found = outcome(planned)
    if found.state == FAILED:
        say(f"{planned.name}: failed: {found.failure}")
    elif found.state == FINISHED:
        took = duration(time.monotonic() - process.began)
        accuracy = spaced_percent(found.accuracy or 0)
        say(f"{planned.name}: finished, test accuracy {accuracy}, {took}")


def _environment(jobs: int) -> dict[str, str]:
    """Environment of each process: the same packages, a share of the cores, and
    accelerator memory on demand."""
    return {
        "OMP_NUM_THREADS": str(max(1, allowed_cores() // jobs)),
        # By default, the first process reserves most of an accelerator's memory.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "PYTHONUNBUFFERED": "1",
        **os.environ,
        # The child imports packages from the same paths as this process.
        "PYTHONPATH": os.pathsep.join(str(Path(one).absolute()) for one in sys.path),
    }


def _signal_name(number: int) -> str:
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
