"""The run folder: the only interface between training and everything after it.

Layout (docs/run-folder.md describes every file and column with its unit):

    recipe.json  environment.json  history.csv  epoch_times.csv  model.keras
    checkpoint/  metrics.json  confusion_matrix.csv  per_class.csv  predictions.csv
    *.png  run.log

kerasnets.storage writes the files, keeps their digests, and locks the folder.
"""

import contextlib
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from kerasnets.errors import RecipeError, RunError, nearest, option, shown, unknown
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import BEST
from kerasnets.storage import digests, lock
from kerasnets.storage.files import (
    atomic_file,
    atomic_path,
    read_csv,
    read_json,
    read_text,
    remove,
    write_csv,
    write_json,
    write_text,
)
from kerasnets.storage.folders import as_path, why_not_writable
from kerasnets.storage.run_folders import RECIPE_FILE, RUNS, below, is_run, named, names

__all__ = [
    "Run",
    "atomic_file",
    "atomic_path",
    "check_free",
    "create",
    "is_run",
    "load",
    "locate",
    "newest",
    "opened",
    "read_csv",
    "read_json",
    "remove",
    "why_not_writable",
    "write_csv",
    "write_json",
    "write_text",
]

DEFAULT_ROOT = RUNS
SPLITS = ("test", "validation", "train")

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


class Run:
    """A run folder on disk.

    Attributes:
        path: the folder.
        recipe: of its training.
    """

    CHECKPOINTS = "checkpoint"  # name of the subfolder
    MODEL = "model.keras"

    def __init__(self, path: Path | str, recipe: Recipe) -> None:
        self.path = Path(path)
        self.recipe = recipe

    @property
    def model_file(self) -> Path:
        return self.path / self.MODEL

    @property
    def checkpoint_folder(self) -> Path:
        return self.path / self.CHECKPOINTS

    @property
    def history(self) -> list[dict[str, float]]:
        """Rows of history.csv as numbers; empty before the first epoch ends.

        Raises:
            RunError: the file does not contain the epochs 1, 2, ... in order.
        """
        path = self.path / "history.csv"
        if not path.exists():
            return []
        try:
            rows = [
                {name: float(value) for name, value in row.items()}
                for row in read_csv(path, HISTORY_COLUMNS)
            ]
        except ValueError as error:
            raise RunError(f"{path} holds something other than numbers.") from error
        if not all(0 <= row["val_accuracy"] <= 1 for row in rows):
            raise RunError(f"{path} has accuracies that are not from 0 to 1.")
        epochs = [row["epoch"] for row in rows]
        if epochs != list(range(1, len(rows) + 1)):
            raise RunError(f"{path} does not hold the epochs 1, 2, ... in order.")
        return rows

    @property
    def kept_epoch(self) -> int | None:
        """The epoch, from 1, of the weights in model.keras: the last, or the first with
        the highest validation accuracy. None before the first epoch ends.

        Raises:
            RunError: as `history`.
        """
        rows = self.history
        if not rows:
            return None
        if self.recipe.keep == BEST:
            rows = [max(rows, key=lambda row: row["val_accuracy"])]
        return int(rows[-1]["epoch"])

    @property
    def loss_is_smoothed(self) -> bool:
        """Whether the losses in `history` include label smoothing, as in runs of
        earlier versions."""
        rows = self.history if self.recipe.label_smoothing else []
        return bool(rows) and "objective" not in rows[0]

    def results_folder(self, split: str) -> Path:
        """The folder of a split's results: the run folder for the test split, otherwise
        a subfolder named after the split.

        Raises:
            RunError: the split is unknown.
        """
        if split not in SPLITS:
            raise RunError(unknown("split", split, SPLITS))
        return self.path if split == "test" else self.path / split

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run folder for writing.

        Raises:
            RunError: another process holds the lock, or the folder cannot be written.
        """
        with lock.hold(self.path):
            yield

    def clear_temporary_files(self) -> None:
        """Remove incomplete files of a killed process; the caller must hold the
        lock."""
        for file in self.path.rglob(f"{digests.TEMPORARY}*"):
            file.unlink(missing_ok=True)


def check_free(path: Path | str, *, overwrite: bool = False) -> None:
    """Check that a new run can be written to `path`, without changing anything.

    Raises:
        RunError: `path` is occupied, not a folder, or cannot be written.
    """
    path = Path(path)
    if path.exists():
        if not path.is_dir():
            raise RunError(f"{path} is a file; {option('path')} needs a folder.")
        occupied = any(path.iterdir())
        if occupied and not is_run(path):
            raise RunError(
                f"{path} holds files that are not a run's; choose another "
                f"{option('path')}."
            )
        if occupied and not overwrite:
            raise RunError(
                f"the run {path} exists; {option('resume', True)} continues it, "
                f"{option('overwrite', True)} replaces it, {option('path')} chooses "
                "another folder."
            )
    obstacle = why_not_writable(path)
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('path')}.")


def create(path: Path | str, recipe: Recipe, *, overwrite: bool = False) -> Run:
    """Create a run folder with its recipe, atomically.

    An existing run is replaced only once the new folder is on disk, and never while
    another process holds it.

    Raises:
        RunError: as `check_free`, or another process holds the old run, or the folder
            cannot be written.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    home = path.absolute().parent
    name = path.absolute().name
    new, old = (home / f".{name}.{uuid.uuid4().hex}.{what}" for what in ("new", "old"))
    try:
        new.mkdir(parents=True)
        digests.begin(new)
        write_text(new / RECIPE_FILE, recipe.to_json())
        if is_run(path):
            with lock.hold(path):
                path.rename(old)
        elif path.exists():
            path.rmdir()  # it is empty, see check_free
        new.rename(path)
        digests.sync_folder(home)
    except OSError as error:
        if old.exists():
            old.rename(path)
        raise RunError(
            f"cannot write the run folder {path}: {error.strerror}."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    # Remove the old run, and leftovers of killed processes.
    aside = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{32}}\.(new|old)")
    for entry in home.iterdir():
        if aside.fullmatch(entry.name):
            shutil.rmtree(entry, ignore_errors=True)
    return Run(path, recipe)


def locate(name: Path | str) -> Path:
    """The path itself if it exists, or the run of this name in artifacts/runs.

    Raises:
        RunError: neither exists.
    """
    path = named(as_path(name, "run"))
    if path.exists():
        return path
    like = nearest(path.name, names())
    hint = f" Did you mean {like!r}?" if like else ""
    raise RunError(f"there is no run folder {shown(name)}.{hint}")


def load(path: Path | str) -> Run:
    """Open an existing run, given by its folder or its name in artifacts/runs.

    Raises:
        RunError: there is no run at `path`, or it contains links or devices, through
            which files could be written elsewhere.
        RecipeError: its recipe.json is damaged.
    """
    path = locate(path)
    try:
        text = read_text(path / RECIPE_FILE)
        for entry in digests.contents(path):
            if not entry.is_file(follow_symlinks=False):
                raise RunError(f"{entry.path} is a link or a device.")
    except RunError as error:
        raise RunError(f"{path} is not a run folder: {error}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return Run(path, Recipe.from_json(text))
    except RecipeError as error:
        raise RecipeError(f"{path / RECIPE_FILE}: {error}") from error


def opened(run: Run | Path | str) -> Run:
    """The run, opened with `load` if given by its folder or name.

    Raises: as `load`.
    """
    return run if isinstance(run, Run) else load(run)


def newest(root: Path | str = DEFAULT_ROOT) -> Run:
    """The run under `root` with the most recently written model.

    Raises:
        RunError: no run there has a trained model.
    """
    root = Path(root)
    models = [
        folder / Run.MODEL
        for folder in (below(root) if root.is_dir() else ())
        if (folder / Run.MODEL).is_file()
    ]
    if not models:
        raise RunError(
            f"no trained run under {root}; name one, or make one with 'kerasnets fit'."
        )
    return load(max(models, key=lambda file: file.stat().st_mtime_ns).parent)
