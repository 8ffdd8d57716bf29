"""How the runs of a study are brought to their end."""

from collections.abc import Callable
from dataclasses import dataclass

from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.runs import NONE


@dataclass(frozen=True)
class Means:
    """What `reproduce` and `reconcile` are told alike.

    Attributes:
        execution: as for `kerasnets.training.fit.fit`.
        keep_checkpoints: which stay of the runs that end now, of
            `kerasnets.runs.KEEP`.
        jobs: runs at a time. One: each in this process. More: each in a process of
            its own, which shares the device with the others.
        wait: whether to wait for runs that other processes hold, and to take over what
            they leave unfinished.
        verbosity: as for `fit`; of runs side by side 0 is a line when one begins and
            ends, and more a line each epoch too.
        say: takes a line for the person at each run.
        ended: called in this process whenever a run has ended and the results are
            written.
    """

    execution: Execution = DEFAULT
    keep_checkpoints: str = NONE
    jobs: int = 1
    wait: bool = False
    verbosity: int = 1
    say: Callable[[str], None] = print
    ended: Callable[[], None] = lambda: None
