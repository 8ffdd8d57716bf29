"""The states of the runs in a folder, from their small files."""

import contextlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from kerasnets import runs
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.runs import Run
from kerasnets.runs.records import ENVIRONMENT_FILE, begun_environment, training_s
from kerasnets.runs.results import METRICS_FILE, read_metrics
from kerasnets.storage import digests, lock
from kerasnets.storage.digests import Finding
from kerasnets.storage.run_folders import below

RUNNING, INTERRUPTED, COMPLETE, STOPPED, CORRUPT = (
    "running",
    "interrupted",
    "complete",
    "stopped early",
    "corrupt",
)


@dataclass(frozen=True)
class Progress:
    """The progress of a run's training.

    Attributes:
        state: `RUNNING`, `INTERRUPTED`, `COMPLETE` or `STOPPED`.
        epochs_done: rows of history.csv; if the run was stopped early inside an epoch,
            this epoch is included.
        epochs: of the recipe.
        reason: why a callback stopped it early, else "".
    """

    state: str
    epochs_done: int
    epochs: int
    reason: str = ""

    @property
    def finished(self) -> bool:
        """Whether training has ended, after all epochs or early."""
        return self.state in (COMPLETE, STOPPED)

    def __str__(self) -> str:
        if self.state == COMPLETE:
            return f"its {self.epochs} epochs are done"
        done = f"{self.state} after {self.epochs_done} of {self.epochs} epochs"
        return f"{done}: {self.reason}" if self.reason else done


def progress(run: Run) -> Progress:
    """The progress of a run's training.

    A run is complete when every epoch is done and the model is written or, if its
    records were published without weights, when it is evaluated.

    Raises:
        RunError: history.csv or environment.json is damaged.
    """
    done, epochs = len(run.history), run.recipe.epochs
    if done > epochs:
        raise RunError(
            f"{run.path} has {done} epochs in history.csv, but {epochs} in its recipe."
        )
    recorded = begun_environment(run)
    if recorded is None and done:
        raise RunError(f"{run.path / ENVIRONMENT_FILE} does not exist.")
    stopped = (recorded or {}).get("stopped_early")
    if run.model_file.exists() or is_published_without_weights(run.path):
        if stopped and stopped["epochs"] == done:
            return Progress(STOPPED, done, epochs, stopped["reason"])
        if done == epochs:
            return Progress(COMPLETE, done, epochs)
    held = lock.is_held(run.path)
    return Progress(RUNNING if held else INTERRUPTED, done, epochs)


def is_published_without_weights(folder: Path) -> bool:
    """Whether a run folder holds the records of a finished run only: the test split's
    results, but neither model nor checkpoints."""
    weights = (folder / Run.MODEL, folder / Run.CHECKPOINTS)
    return (folder / METRICS_FILE).exists() and not any(one.exists() for one in weights)


def weights_left_out(folder: Path, findings: Iterable[Finding]) -> list[Finding]:
    """Those of the findings that only say that a run was published without weights."""
    if not is_published_without_weights(folder):
        return []
    return [
        one
        for one in findings
        if one.what == "missing"
        and one.name.split("/")[0] in (Run.MODEL, Run.CHECKPOINTS)
    ]


@dataclass(frozen=True)
class RunState:
    """The state of a run; values that a corrupt run does not provide are None.

    Attributes:
        path: its folder.
        state: "running" (held by a process, not finished), "interrupted", "complete"
            (see `progress`), "stopped early" (by a callback, otherwise complete) or
            "corrupt" (a file cannot be read; `kerasnets verify` checks every byte).
        why: what is wrong with a corrupt run, why a run was stopped early, else "".
        network, dataset: of its recipe.
        epochs_done, epochs: finished and planned epochs.
        best_val_accuracy, last_val_accuracy: shares of the monitored images, 0 to 1;
            None before the first epoch ends.
        test_accuracy: share, 0 to 1; None unless evaluated.
        seconds: wall time of training and validation in its finished epochs.
        size: bytes of its files, for corrupt runs too.
        checkpoints_size: bytes of the checkpoint folder, part of `size`.
    """

    path: Path
    state: str
    why: str = ""
    network: str | None = None
    dataset: str | None = None
    epochs_done: int | None = None
    epochs: int | None = None
    best_val_accuracy: float | None = None
    last_val_accuracy: float | None = None
    test_accuracy: float | None = None
    seconds: float | None = None
    size: int = 0
    checkpoints_size: int = 0


def states(root: Path | str) -> list[RunState]:
    """The states of all runs in `root` and its subfolders, or of `root` itself if it is
    a run, sorted by path.

    Raises:
        RunError: the folder is missing or cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise RunError(f"there is no folder {root}.")
    return [state(folder) for folder in below(root)]


def state(folder: Path | str) -> RunState:
    """The state of one run; never raises, whatever its folder contains."""
    folder = Path(folder)
    try:
        found = _state(runs.load(folder))
    except KerasnetsError as error:
        found = RunState(folder, CORRUPT, str(error))
    return replace(
        found,
        size=_size(folder),
        checkpoints_size=_size(folder / Run.CHECKPOINTS),
    )


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; 0 if it is missing."""
    total = 0
    # A file may disappear in the meantime, and a folder may be unreadable.
    with contextlib.suppress(OSError):
        for entry in digests.contents(folder):
            with contextlib.suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _state(run: Run) -> RunState:
    found = progress(run)
    if run.model_file.exists() and not zipfile.is_zipfile(run.model_file):
        raise RunError(f"{run.model_file} is damaged.")
    folder = run.results_folder("test")
    evaluated = (folder / METRICS_FILE).exists()
    accuracies = [row["val_accuracy"] for row in run.history]
    return RunState(
        run.path,
        found.state,
        found.reason,
        network=run.recipe.network,
        dataset=run.recipe.dataset,
        epochs_done=found.epochs_done,
        epochs=found.epochs,
        best_val_accuracy=max(accuracies, default=None),
        last_val_accuracy=accuracies[-1] if accuracies else None,
        test_accuracy=read_metrics(folder)["accuracy"] if evaluated else None,
        seconds=training_s(run),
    )
