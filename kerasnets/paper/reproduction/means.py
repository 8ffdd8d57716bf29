"""How the runs of a study are completed."""

from collections.abc import Callable
from dataclasses import dataclass

from kerasnets.catalog.kept_checkpoints import NONE
from kerasnets.compute.execution import DEFAULT, Execution


@dataclass(frozen=True)
class Means:
    """The settings shared by `reproduce` and `reconcile`.

    Attributes:
        execution: as for `kerasnets.training.fit.fit`.
        keep_checkpoints: which checkpoints of the completed runs stay, of
            `kerasnets.catalog.kept_checkpoints.KEEP`.
        jobs: runs at a time. One: each in this process. More: each in a process of
            its own, which shares the device with the others.
        wait: whether to wait for runs held by other processes, and take over those left
            unfinished.
        verbosity: as for `fit`; side by side, 0 prints a line when a run begins and
            ends, and 1 also one for each epoch.
        say: receives a line for the user at each run.
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
