"""Ctrl-C ends every command with one line and status 130, whenever it comes, and is
left to the command by its child processes."""

import os
import signal
import subprocess
import sys
import types
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
import warm_python
from PIL import Image

from kerasnets.benchmark import data
from kerasnets.inference import files
from kerasnets.training.drill import run_child, warm_context

# Runs `kerasnets networks`, and Ctrl-C comes as `moment` says.
COMMAND = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)

def ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)

def at_import(name, how):
    class Import:
        def find_spec(self, found, path, target=None):
            if found == name:
                sys.meta_path.remove(self)
                how()
    sys.meta_path.insert(0, Import())

def discarded():
    try:
        ctrl_c()
    except BaseException:
        pass

class Deleted:
    def __del__(self):
        ctrl_c()

def command(how):
    from kerasnets.cli.training.networks import networks
    before = networks.callback
    def callback():
        how()
        time.sleep(30)
    networks.callback = callback

moment = sys.argv[1]
if moment == "the first import":
    at_import("click", ctrl_c)
elif moment == "an import that would not raise it":
    at_import("kerasnets.recipe", discarded)
elif moment == "the command, which discards it":
    command(discarded)
elif moment == "an object's end":
    command(Deleted)
elif moment == "the exit":
    import atexit
    atexit.register(ctrl_c)
from kerasnets.cli.main import main
main(["networks"])
"""


def outcome(moment: str) -> tuple[int, str]:
    done = subprocess.run(
        [warm_python.executable(), "-c", COMMAND, moment],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "moment",
    [
        "the first import",
        "an import that would not raise it",
        "the command, which discards it",
        "an object's end",
    ],
)
def test_one_line_whenever_it_comes(moment):
    line = "kerasnets: stopped by Ctrl-C; every file written so far is complete\n"
    assert outcome(moment) == (130, line)


def test_after_the_last_line_it_ends_the_exit():
    assert outcome("the exit") == (-signal.SIGINT, "")


def test_processes_that_decode_leave_it_to_the_command(tmp_path, monkeypatch):
    pools = []

    class Pool(ProcessPoolExecutor):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            pools.append(self)

    monkeypatch.setattr(files, "ProcessPoolExecutor", Pool)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8), "red").save(photo)
    steps = types.SimpleNamespace(
        height=8, mean=(0,) * 3, resize="squash", background="white", decode="whole"
    )
    made = files.decoded([str(photo)] * 40, steps, workers=2, batch=4)
    found = [next(made)]
    for process in pools[0]._processes:
        os.kill(process, signal.SIGINT)
    found += made
    assert len(found) == 40 and all(isinstance(one, np.ndarray) for one in found)


def test_processes_of_a_drill_leave_it_to_the_command():
    assert run_child(warm_context(), signal.raise_signal, (signal.SIGINT,))


def test_processes_of_torchvision_leave_it_to_the_command(monkeypatch):
    class ImageFolder(torch.utils.data.Dataset):
        def __init__(self, place, changes):
            pass

        def __len__(self):
            return 4

        def __getitem__(self, row):
            assert torch.utils.data.get_worker_info()
            os.kill(os.getpid(), signal.SIGINT)
            return torch.zeros(1), row

    vision = types.ModuleType("torchvision")
    vision.datasets = types.SimpleNamespace(ImageFolder=ImageFolder)

    class Transforms:
        def __getattr__(self, name):
            return lambda *_: None

    vision.transforms = Transforms()
    monkeypatch.setitem(sys.modules, "torchvision", vision)
    turn = data._theirs("nowhere", batch_size=2)
    assert turn() > 0
    assert turn() > 0
