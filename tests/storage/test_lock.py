"""One process a run folder; a dead one keeps nobody out."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from kerasnets.errors import RunError
from kerasnets.storage import lock

HOLD = (
    "import sys, time; from pathlib import Path; from kerasnets.storage import lock\n"
    "with lock.hold(Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_process_is_told_who_holds_the_run(other, tmp_path):
    who = rf"process {other.pid} on {platform.node()} since \d{{4}}-\d\d-\d\dT"
    with pytest.raises(RunError, match=who), lock.hold(tmp_path):
        pass
    assert lock.is_held(tmp_path)


def test_a_killed_holder_keeps_nobody_out(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == other.pid
    assert not lock.is_held(tmp_path)
    with lock.hold(tmp_path):
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()


def test_a_lock_that_is_released_is_free(tmp_path):
    assert not lock.is_held(tmp_path)
    with lock.hold(tmp_path):
        pass
    assert not lock.is_held(tmp_path)
    assert not (tmp_path / ".lock.json").exists()


@pytest.mark.parametrize("note", [b"", b"[]", b"\xff", b'{"pid": "1"}', b"{" * 9999])
def test_a_damaged_note_is_no_obstacle(other, tmp_path, note):
    (tmp_path / ".lock.json").write_bytes(note)
    with (
        pytest.raises(RunError, match="in use by another process"),
        lock.hold(tmp_path),
    ):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").symlink_to(precious)
    with pytest.raises(RunError, match="cannot write to"), lock.hold(folder):
        pass
    assert precious.read_text() == "years of work"
