"""Settings for completing the runs of a study."""

from collections.abc import Callable
from dataclasses import dataclass

from kerasnets.catalog.kept_checkpoints import NONE
from kerasnets.compute.execution import DEFAULT, Execution


@dataclass(frozen=True)
class Settings:
    """The settings shared by `reproduce` and `reconcile`.

    Attributes:
        execution: see `kerasnets.training.fit.fit`.
        keep_checkpoints: which checkpoints of completed runs to keep, one of
            `kerasnets.catalog.kept_checkpoints.KEEP`.
        jobs: parallel runs. With 1, runs are executed in this process; otherwise each
            in its own process, which shares the device with the others.
        wait: whether to wait for runs held by other processes, and take over those left
            unfinished.
        verbosity: see `fit`. For parallel runs, 0 prints a line when a run begins and
            ends, and 1 another for each epoch.
        say: receives lines about the runs.
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

    def say_held(self, name: str) -> None:
        """Say that another process holds a run."""
        who = "waiting for the process that" if self.wait else "another process"
        self.say(f"{name}: {who} works on it")
