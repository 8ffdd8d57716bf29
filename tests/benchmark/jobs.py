"""What the tests let a worker do. It imports this file: nothing heavy is imported."""

import os
import signal
import sys
import time
import weakref

from kerasnets.benchmark.turns import turns
from kerasnets.errors import BackendError

finalized: list[str] = []


class Cycle:
    """An object that only the garbage collector frees."""

    def __init__(self):
        self.itself = self
        weakref.finalize(self, finalized.append, "the cycle")


class Demanding(Exception):
    """An error that pickle cannot make again: it takes two arguments, keeps one."""

    def __init__(self, what, why):
        super().__init__(f"{what} {why}")


def hold():
    kept = Cycle()
    while kept:
        yield


def dropped():
    yield finalized


def heavy_imports(*arguments):
    """Which heavy modules a contender has imported after each of its turns."""
    for _ in turns(*arguments):
        yield {"keras", "torch"} & set(sys.modules)


def place(device):
    return {}, device


def refuse(*_):
    raise BackendError("this backend cannot.")
    yield


def fail(kind, *arguments):
    raise kind(*arguments)
    yield


def be_killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def end(*_):
    os._exit(3)
    yield


def ignore_ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)
    yield "still here"


def ctrl_c(*_):
    """As a terminal does: to this process and its parent."""
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(600)
    yield
