"""Each contender has a process of its own, and none outlives the benchmark."""

import multiprocessing
import signal

import jobs
import pytest

from kerasnets.benchmark import report
from kerasnets.benchmark.worker import Worker
from kerasnets.cli import main as cli
from kerasnets.errors import BackendError, ProcessEnded

PLAIN = ["torchvision contiguous", "torchvision channels-last"]
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


@pytest.mark.parametrize("what", ["train", "predict"])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_pytorch_has_no_keras(name, what, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    (tmp_path / "torchvision.py").write_text(TORCHVISION)
    monkeypatch.syspath_prepend(tmp_path)
    with Worker(name) as worker:
        worker.begin(jobs.heavy_imports, name, "resnet18", 2, 3, "cpu", what)
        assert worker.next() == worker.next() == {"torch"}


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
    monkeypatch.setattr(report, "turns", job)
    monkeypatch.setattr(report, "_place", jobs.place)
    command = ["benchmark", "resnet18", "--against", "keras", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == status
    begun, error = capsys.readouterr().err.splitlines()
    assert begun == "resnet18: kerasnets, keras"
    assert error.startswith(line)
    assert not list(tmp_path.iterdir())
