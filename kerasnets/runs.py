"""The run folder: the only hand-over between training and everything after it.

Layout (docs/run-folder.md has every file and column with its unit):

    recipe.json  environment.json  history.csv  epoch_times.csv  model.keras
    checkpoint/  metrics.json  confusion_matrix.csv  per_class.csv  predictions.csv
    *.png  run.log

Every file is written under a temporary name, fsynced and renamed, so a reader never
meets half a file.
"""

import contextlib
import csv
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import filelock

from kerasnets.errors import RunError
from kerasnets.recipes import Recipe

DEFAULT_ROOT = Path("artifacts/runs")

_TEMPORARY = ".tmp-"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which takes the name `path` once it is whole and
    on disk; it is removed instead when the block raises. The folder must exist."""
    # The suffix stays last: some writers choose their format by it.
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that takes the name `path` only once it is whole and on disk.

    Args:
        path: the final name; its folder must exist.
        mode: "w" for UTF-8 text without newline translation, "wb" for bytes.
    """
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with atomic_path(path) as temporary, temporary.open(mode, **text) as file:
        yield file


def _sync_folder(folder: Path) -> None:
    # Makes the rename itself durable; folders cannot be opened on Windows.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        RunError: the file is damaged. FileNotFoundError is left to the caller.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} does not hold a JSON object.")
    return value


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a header and rows (RFC 4180, "\\n" line ends)."""
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by column name.

    Raises:
        RunError: the file is missing or not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not a text file.") from error


class Run:
    """A run folder on disk.

    Attributes:
        path: the folder.
        recipe: what it trains or has trained.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path = path
        self.recipe = recipe

    @property
    def model_file(self) -> Path:
        return self.path / "model.keras"

    @property
    def checkpoint_folder(self) -> Path:
        return self.path / "checkpoint"

    @property
    def history(self) -> list[dict[str, float]]:
        """Rows of history.csv as numbers; empty before the first epoch ends."""
        path = self.path / "history.csv"
        if not path.exists():
            return []
        try:
            return [
                {name: float(value) for name, value in row.items()}
                for row in read_csv(path)
            ]
        except (TypeError, ValueError) as error:
            raise RunError(f"{path} holds something other than numbers.") from error

    def results_folder(self, split: str) -> Path:
        """Where `evaluate` writes: the run folder itself for the test split, a folder
        named after the split otherwise, so that no split overwrites another's."""
        return self.path if split == "test" else self.path / split

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run folder while writing to it.

        Raises:
            RunError: another process holds it, or it cannot be written.
        """
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise RunError(f"{self.path} is in use by another process.") from error
        except OSError as error:
            raise RunError(f"cannot write to {self.path}: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def clear_temporary_files(self) -> None:
        """Remove what a killed process left half-written; needs the lock."""
        for file in self.path.rglob(f"{_TEMPORARY}*"):
            file.unlink(missing_ok=True)


def is_run(path: Path) -> bool:
    return (path / "recipe.json").is_file()


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Check that a new run may be written to `path`, and change nothing.

    Raises:
        RunError: it is occupied, not a folder, or cannot be written.
    """
    if path.exists():
        if not path.is_dir():
            raise RunError(f"{path} is a file; --out needs a folder.")
        occupied = any(path.iterdir())
        if occupied and not is_run(path):
            raise RunError(
                f"{path} holds files that are not a run's; choose another --out."
            )
        if occupied and not overwrite:
            raise RunError(
                f"the run {path} exists; --resume continues it, --overwrite replaces "
                "it, --out chooses another folder."
            )
    obstacle = why_not_writable(path)
    if obstacle:
        raise RunError(f"{obstacle}; choose another --out.")


def why_not_writable(path: Path) -> str | None:
    """What keeps the folder `path` from being made or written, or None."""
    nearest = next(
        folder for folder in (path, *path.absolute().parents) if folder.exists()
    )
    if not nearest.is_dir():
        return f"{nearest} is a file, not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} is not writable"
    return None


def create(path: Path, recipe: Recipe, *, overwrite: bool = False) -> Run:
    """Make a run folder with its recipe.

    An old run is moved aside first and deleted once the new recipe is on disk.

    Raises:
        RunError: as `check_free`, or the disk refuses the write.
    """
    check_free(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = None
        if path.exists():
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.old")
            path.rename(aside)
        path.mkdir()
        write_text(path / "recipe.json", recipe.to_json())
        if aside:
            shutil.rmtree(aside)
    except OSError as error:
        raise RunError(
            f"cannot write the run folder {path}: {error.strerror}."
        ) from error
    return Run(path, recipe)


def load(path: Path) -> Run:
    """Open an existing run folder.

    Raises:
        RunError: there is no run at `path`.
        RecipeError: its recipe.json is damaged.
    """
    if not path.exists():
        raise RunError(f"there is no run folder {path}.")
    try:
        text = (path / "recipe.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} is not a run folder: it has no readable recipe.json."
        ) from error
    return Run(path, Recipe.from_json(text))


def newest(root: Path = DEFAULT_ROOT) -> Run:
    """The run under `root` whose model was written last.

    Raises:
        RunError: none of the runs there has a trained model.
    """
    models = list(root.glob("*/model.keras")) if root.is_dir() else []
    if not models:
        raise RunError(
            f"no trained run under {root}; name one, or make one with 'kerasnets fit'."
        )
    return load(max(models, key=lambda file: file.stat().st_mtime_ns).parent)
