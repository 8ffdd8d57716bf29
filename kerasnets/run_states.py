"""How the runs of a folder are getting on, from their small files alone."""

import contextlib
import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from kerasnets import lock, manifest, runs, schema
from kerasnets.errors import KerasnetsError, RunError
from kerasnets.files import read_csv, read_json
from kerasnets.runs import Run

RUNNING, INTERRUPTED, COMPLETE, CORRUPT = (
    "running",
    "interrupted",
    "complete",
    "corrupt",
)


@dataclass(frozen=True)
class RunState:
    """One run; what a corrupt one does not tell is None.

    Attributes:
        path: its folder.
        state: "running" (a process holds it and has not finished), "interrupted",
            "complete" (every epoch done and the model written; or evaluated, where
            the records were published without weights) or "corrupt" (a file cannot be
            read; `kerasnets verify` looks at every byte).
        why: what is wrong with a corrupt one, else "".
        network, dataset: of its recipe.
        epochs_done, epochs: of how many.
        best_val_accuracy, last_val_accuracy: shares of the monitored images, 0 to 1;
            None before the first epoch ends.
        test_accuracy: share, 0 to 1; None unless evaluated.
        seconds: wall time of its finished epochs, training and validation.
        size: bytes that its files take, of a corrupt one too.
        checkpoints_size: of these, bytes of the checkpoint folder.
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


def states(root: Path) -> list[RunState]:
    """Every run in `root` and its subfolders, or `root` itself where it is one; a run
    holds no others. By path.

    Raises:
        RunError: there is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise RunError(f"there is no folder {root}.")
    return [state(folder) for folder in _run_folders(root)]


def _run_folders(root: Path) -> list[Path]:
    found, folders = [], [root]
    while folders:
        folder = folders.pop()
        if runs.is_run(folder):
            found.append(folder)
            continue
        try:
            folders += [
                entry
                for entry in folder.iterdir()
                # Hidden ones are runs that are being made or replaced.
                if not entry.name.startswith(".")
                and entry.is_dir()
                and not entry.is_symlink()
            ]
        except OSError as error:
            if folder == root:
                raise RunError(f"{root} cannot be read: {error.strerror}.") from error
    return sorted(found)


def state(folder: Path) -> RunState:
    """How one run is getting on; whatever is in its folder, nothing is raised."""
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
    """Bytes of the files in a folder; 0 where there is none."""
    total = 0
    # A file may go meanwhile, or a folder not be readable.
    with contextlib.suppress(OSError):
        for entry in manifest.contents(folder):
            with contextlib.suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _state(run: Run) -> RunState:
    history = run.history
    done = len(history)
    if done > run.recipe.epochs:
        raise RunError(
            f"{run.path} has {done} epochs in history.csv, but {run.recipe.epochs} in "
            "its recipe."
        )
    written = run.model_file.exists()
    if written and not zipfile.is_zipfile(run.model_file):
        raise RunError(f"{run.model_file} is damaged.")
    environment = run.path / "environment.json"
    if environment.exists():
        read_json(environment, schema.ENVIRONMENT)
    elif done:
        raise RunError(f"{environment} does not exist.")
    metrics = run.results_folder("test") / "metrics.json"
    test = read_json(metrics, schema.METRICS)["accuracy"] if metrics.exists() else None
    published = not run.checkpoint_folder.exists()
    accuracies = [row["val_accuracy"] for row in history]
    return RunState(
        run.path,
        _word(run, done, written or (test is not None and published)),
        network=run.recipe.network,
        dataset=run.recipe.dataset,
        epochs_done=done,
        epochs=run.recipe.epochs,
        best_val_accuracy=max(accuracies, default=None),
        last_val_accuracy=accuracies[-1] if accuracies else None,
        test_accuracy=test,
        seconds=_seconds(run.path / "epoch_times.csv"),
    )


def _word(run: Run, done: int, trained: bool) -> str:
    if trained and done == run.recipe.epochs:
        return COMPLETE
    return RUNNING if lock.is_held(run.path) else INTERRUPTED


def _seconds(path: Path) -> float:
    if not path.exists():
        return 0.0
    columns = ("train_s", "validation_s")
    try:
        total = sum(
            float(row[name]) for row in read_csv(path, columns) for name in columns
        )
    except ValueError as error:
        raise RunError(f"{path} holds something other than numbers.") from error
    if not math.isfinite(total) or total < 0:
        raise RunError(f"{path} holds impossible times.")
    return total
