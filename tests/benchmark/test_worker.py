"""Each contender has a process of its own, and none outlives the benchmark."""

import multiprocessing
import signal
import subprocess
import sys

import jobs
import pytest

from kerasnets.benchmark import comparison, processes
from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.benchmark.work import Work
from kerasnets.cli import main as cli
from kerasnets.compute.worker import Worker
from kerasnets.errors import BackendError, ProcessEnded

PLAIN = [
    Contender("torchvision contiguous"),
    Contender("torchvision channels-last", channels_last=True),
]
TORCHVISION = """
from torch import nn

class models:
    def resnet18(num_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))
"""


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    assert not multiprocessing.active_children()


@pytest.fixture
def signals():
    """Python's own answers to Ctrl-C, and whatever was set, afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_plain_pytorch_has_no_keras(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    (tmp_path / "torchvision.py").write_text(TORCHVISION)
    monkeypatch.syspath_prepend(tmp_path)
    with Worker("plain PyTorch") as worker:
        for what, contender in zip(("train", "inference"), PLAIN, strict=True):
            work = Work(network="resnet18", what=what, batch_size=2)
            worker.begin(jobs.heavy_imports, contender, work)
            for _ in ("made", "ready", "a turn"):
                assert worker.next() == {"torch"}


def test_a_script_without_a_guard_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('begun')\n"
        "import operator\n"
        "from kerasnets.compute.worker import Worker\n"
        "with Worker('one') as worker:\n"
        "    print(worker.call(operator.add, 1, 2))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("begun\n3\n", "")


def test_a_contender_is_dropped_before_the_next_is_made():
    with Worker("one") as worker:
        worker.begin(jobs.hold)
        worker.next()
        worker.begin(jobs.dropped)
        assert worker.next() == ["the cycle"]


@pytest.mark.parametrize(
    ("job", "kind", "message"),
    [
        ((jobs.refuse,), BackendError, "this backend cannot."),
        ((jobs.fail, ValueError, "no good"), ValueError, "no good"),
        ((jobs.fail, jobs.Demanding, 1, 2), RuntimeError, "Demanding: 1 2"),
    ],
)
def test_an_error_keeps_its_kind_and_message_and_ends_nothing(job, kind, message):
    with Worker("one") as worker:
        worker.begin(*job)
        with pytest.raises(kind) as raised:
            worker.next()
        assert str(raised.value) == message
        assert "jobs.py" in raised.value.__notes__[0]
        assert worker.call(len, "abc") == 3


@pytest.mark.parametrize(
    ("job", "how"), [(jobs.be_killed, "by signal 9"), (jobs.end, "with status 3")]
)
def test_a_process_that_ends_is_an_error(job, how):
    with Worker("one") as worker:
        worker.begin(job)
        for _ in range(2):
            with pytest.raises(
                ProcessEnded, match=f"^the process of 'one' ended {how}"
            ):
                worker.next()


def test_ctrl_c_is_left_to_the_parent():
    with Worker("one") as worker:
        worker.begin(jobs.ignore_ctrl_c)
        assert worker.next() == "still here"


@pytest.mark.parametrize(
    ("job", "status", "line"),
    [
        (jobs.refuse, 2, "kerasnets: this backend cannot."),
        (jobs.be_killed, 1, "kerasnets: the process of 'keras' ended by signal 9"),
        (jobs.ctrl_c, 130, "kerasnets: stopped by Ctrl-C; every file"),
    ],
)
def test_what_befalls_a_contender_ends_the_command_with_one_line(
    job, status, line, signals, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(processes, "turns", job)
    monkeypatch.setattr(comparison, "_place", jobs.place)
    monkeypatch.setattr(comparison.runtime, "backend", lambda: "jax")  # has no ceiling
    command = ["benchmark", "resnet18", "--against", "keras", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == status
    begun, error = capsys.readouterr().err.splitlines()
    assert begun == "resnet18: kerasnets, keras"
    assert error.startswith(line)
    assert not list(tmp_path.iterdir())


def test_several_processes_work_at_the_same_time_and_may_take_too_long():
    with Worker("quick") as quick, Worker("slow") as slow:
        quick.begin(jobs.take_turns, None, None)
        slow.begin(jobs.never_ready, Contender("slow", compiled=True), None)
        for one in (quick, slow):
            one.ask()
        assert quick.answer(60) is None
        with pytest.raises(TimeoutError, match="slow took longer than"):
            slow.answer(0.1)
