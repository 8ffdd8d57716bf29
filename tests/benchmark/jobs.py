"""What the tests let a worker do. It imports this file: nothing heavy is imported."""

import os
import signal
import sys
import time
import weakref
from pathlib import Path

from kerasnets.benchmark import measure, profile, roofline
from kerasnets.benchmark.measure import Ready, turns
from kerasnets.benchmark.profile import _rows
from kerasnets.errors import BackendError, OutOfMemory

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
    """Which heavy modules a contender has imported after each thing it tells."""
    for _ in turns(*arguments):
        yield {"keras", "torch"} & set(sys.modules)


def place(execution):
    return {}, execution


def take_turns(contender, work):
    """A contender that is ready at once; its turns say what it does with them."""
    yield None
    yield Ready(1.0, 9.0, 0.5, 10**6, 10**7, {})
    while True:
        yield 0.5


def two_threads(contender, work):
    """Ready where the execution has come to the work."""
    assert (work.threads, work.deterministic) == (2, True)
    yield from take_turns(contender, work)


def quick_turns(contender, work):
    """Turns of a short network, a fiftieth of a second each."""
    import narrow

    with narrow.shortened():
        measure._TURN_S["cpu"] = 0.02
        yield from turns(contender, work)


def quick_ceiling(*arguments):
    """Of small matrices, in a hundredth of a second."""
    roofline._SIZES["cpu"] = (256, 1 << 20, 0.01)
    return roofline.measure_ceiling(*arguments)


def quick_rows(contender, work):
    """The profile of one step of a short network."""
    import narrow

    profile._STEPS = 1
    with narrow.shortened():
        return _rows(contender, work)


def ceiling(precision, device, threads):
    return {"tflops_per_s": 1.0, "gb_per_s": 10.0}


def never_ready(contender, work):
    """Compiled, it takes for ever."""
    if contender.compiled:
        time.sleep(600)
    yield from take_turns(contender, work)


def fails_compiling(contender, work):
    if contender.compiled:
        raise RuntimeError("no C++ compiler\nwas found")
    yield from take_turns(contender, work)


def fails_profiling(contender, work):
    """Rows of a profile, except of plain PyTorch."""
    if contender.is_plain:
        raise RuntimeError("no C++ compiler\nwas found")
    return [[contender.name, "the rest", "", 1.0, 1.0]]


def out_of_memory_alone(contender, work):
    if contender.name == "keras":
        raise OutOfMemory("out of memory at batch size 64.")
    yield from take_turns(contender, work)


def ours_fails(contender, work):
    if contender.name == "kerasnets":
        raise ValueError("no number")
    yield from take_turns(contender, work)


def fails_in_a_turn(contender, work):
    """Ours fails in its third turn."""
    told = take_turns(contender, work)
    for count, one in enumerate(told):
        if contender.name == "kerasnets" and count == 4:
            raise ValueError("no number")
        yield one


def out_of_memory_once(contender, work):
    """The first time, when all have their networks, keras finds no memory."""
    first = Path(os.environ["FIRST_TIME"])
    for one in take_turns(contender, work):
        if one and contender.name == "keras" and not first.exists():
            first.touch()
            raise OutOfMemory("out of memory at batch size 64.")
        yield one


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
