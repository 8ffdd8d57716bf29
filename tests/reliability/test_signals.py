"""Ctrl-C and SIGTERM: a checkpoint, one line, and the exit status shells expect."""

import os
import shlex
import signal
import subprocess
import sys
import threading

import keras
import pytest
import small_run
import warm_python
from backend_here import without_tensorflow_logs
from trained_run import make_run

from kerasnets import runs
from kerasnets.errors import Interrupted
from kerasnets.evaluation.evaluate import evaluate
from kerasnets.runs import status
from kerasnets.runs.records import environment
from kerasnets.training import checkpoint
from kerasnets.training.callbacks.stop_requests import stop_requests
from kerasnets.training.drill import fingerprint

SIGNALS = [signal.SIGTERM, signal.SIGINT]


class Raise(keras.callbacks.Callback):
    """Signals its own process in a step, counted over epochs, `times` times."""

    def __init__(self, number: int, step: int, times: int = 1) -> None:
        super().__init__()
        self.number, self.left, self.times = number, step, times

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


class RaiseInValidation(keras.callbacks.Callback):
    def on_test_begin(self, logs=None):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def ctrl_c():
    """A shell that starts the tests in its background has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    run = small_run.fit(tmp_path_factory.mktemp("whole") / "run")
    return fingerprint(run)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_step_under_way_is_kept(tmp_path, expected, number):
    with pytest.raises(Interrupted, match="after step 2 of epoch 2") as raised:
        small_run.fit(tmp_path / "run", callbacks=[Raise(number, 8)])
    assert raised.value.exit_status == 128 + number
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None and (found.epoch, found.batch) == (1, 2)
    run = small_run.fit(tmp_path / "run", resume=True)
    assert fingerprint(run) == expected


@pytest.mark.parametrize("callback", [Raise(signal.SIGTERM, 6), RaiseInValidation()])
def test_at_the_end_of_an_epoch_the_whole_epoch_is_kept(tmp_path, expected, callback):
    with pytest.raises(Interrupted, match=r"after epoch 1; resume=True continues"):
        small_run.fit(tmp_path / "run", callbacks=[callback])
    run = small_run.fit(tmp_path / "run", resume=True)
    assert fingerprint(run) == expected


def test_a_start_that_ended_before_its_first_step_is_recorded_without_its_time(
    tmp_path, expected
):
    callback = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(Interrupted, match="after no step"):
        small_run.fit(tmp_path / "run", callbacks=[callback])
    assert status.state(tmp_path / "run").state == "interrupted"
    run = small_run.fit(tmp_path / "run", resume=True)
    assert fingerprint(run) == expected
    begun = environment(run)
    assert "start_s" not in begun and begun["resumed"][0]["start_s"] > 0
    assert status.state(run.path).state == "complete"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_ends_it_at_once_and_consistent(tmp_path, expected, number):
    with pytest.raises(Interrupted, match="at once; the last checkpoint is intact"):
        small_run.fit(tmp_path / "run", callbacks=[Raise(number, 8, times=2)])
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None and (found.epoch, found.batch) == (1, 0)
    run = small_run.fit(tmp_path / "run", resume=True)
    assert fingerprint(run) == expected


LONG_CALL = """
import hashlib, signal, sys
from kerasnets.training.callbacks.stop_requests import stop_requests
with stop_requests():
    print("in it", flush=True)
    # Like a step of XLA: minutes outside Python, other threads going on.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_ends_what_python_cannot_interrupt(number):
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_CALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "in it\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    (line,) = errors.splitlines()
    assert line.startswith("kerasnets: stopped by ")
    assert line.endswith("at once; the last checkpoint is intact.")


def test_nothing_listens_once_training_has_ended():
    threads = threading.active_count()
    with stop_requests():
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_after_the_last_step_stops_what_would_come_next(tmp_path, expected):
    callback = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(Interrupted, match="the run is finished"):
        small_run.fit(tmp_path / "run", callbacks=[callback])
    assert fingerprint(runs.load(tmp_path / "run")) == expected


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        inherited = signal.getsignal(signal.SIGINT)
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not stop
            assert signal.getsignal(signal.SIGINT) != inherited
        assert signal.getsignal(signal.SIGINT) == inherited
    finally:
        signal.signal(signal.SIGTERM, before)


def test_training_works_in_another_thread(tmp_path, expected):
    thread = threading.Thread(target=small_run.fit, args=(tmp_path / "run",))
    thread.start()
    thread.join()
    assert fingerprint(runs.load(tmp_path / "run")) == expected


def start(*arguments: str) -> subprocess.Popen:
    code = "import sys; from kerasnets.cli.main import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [warm_python.executable(), "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_says_how_to_go_on_and_that_works(tmp_path):
    out = str(tmp_path / "a run")
    words = "fit resnet18 --dataset digits --limit 40 --batch-size 9 --device cpu"
    process = start(*words.split(), "--epochs", "500", "--out", out, "--overwrite")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/500"):
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    (line,) = without_tensorflow_logs(errors).splitlines()
    stopped, command = line.split("; to continue: ")
    assert stopped.startswith("kerasnets: stopped by SIGTERM after ")
    go_on = shlex.split(command)
    assert go_on[0] == "kerasnets" and "--overwrite" not in go_on
    position = checkpoint.newest(tmp_path / "a run" / "checkpoint").position
    assert stopped.endswith(position)

    resumed = start(*go_on[1:])
    assert resumed.stdout is not None
    for line in resumed.stdout:
        if line.startswith("resuming after"):
            break
    assert line.strip() == f"resuming after {position}"
    resumed.send_signal(signal.SIGINT)
    _, errors = resumed.communicate(timeout=60)
    assert resumed.returncode == 130
    errors = without_tensorflow_logs(errors)
    assert errors.startswith("kerasnets: stopped by Ctrl-C after ")


def end_of_command(capsys, *arguments: str) -> tuple[int, str]:
    """The exit status of a command line, and what it writes to standard error."""
    from kerasnets.cli import main as cli

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        try:
            cli.main([*arguments])
        finally:
            signal.signal(signal.SIGTERM, before)
    return ended.value.code, capsys.readouterr().err


def check_ended(status: int, error: str, number: int) -> None:
    assert status == 128 + number
    assert error.count("\n") == 1
    assert error.endswith("every file written so far is complete\n")


def contents(folder) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("command", "callee"),
    [
        ("benchmark resnet18", "kerasnets.benchmark.comparison.benchmark"),
        ("prepare mnist", "kerasnets.datasets.download.prepare.prepare"),
    ],
)
def test_other_commands_end_with_one_line_and_nothing_half_written(
    tmp_path, monkeypatch, capsys, command, callee, number
):
    def signalled_while_it_writes(*args, **options):
        runs.write_text(tmp_path / "first", "whole")
        with runs.atomic_path(tmp_path / "second") as path:
            path.write_text("ha")
            assert len(list(tmp_path.iterdir())) == 2
            os.kill(os.getpid(), number)

    monkeypatch.setattr(callee, signalled_while_it_writes)
    check_ended(*end_of_command(capsys, *command.split()), number)
    assert contents(tmp_path) == {"first": b"whole"}


@pytest.mark.parametrize("number", SIGNALS)
def test_an_evaluation_that_is_stopped_leaves_whole_files(
    tmp_path, monkeypatch, capsys, number
):
    run = make_run(tmp_path / "run")
    before = contents(run.path)

    def signalled(handle):
        unfinished = {one for one in contents(run.path) if one.startswith(".tmp-")}
        if any(one.endswith("predictions.csv") for one in unfinished):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(os, "fsync", signalled)
    words = ("evaluate", str(run.path), "--device", "cpu")
    check_ended(*end_of_command(capsys, *words), number)
    after = contents(run.path)
    monkeypatch.undo()
    evaluate(run, device="cpu")
    whole = contents(run.path)
    made = {"confusion_matrix.csv", "per_class.csv"}
    assert before.keys() | made <= after.keys() < whole.keys()
    assert "predictions.csv" not in after
    assert all(after[name] == whole[name] for name in after.keys() - {"digests.json"})
