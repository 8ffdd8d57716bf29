"""A study on disk: its rows, scale and folders.

<study>/study.json  results.json  results.csv  results.md
        runs/<row>-seed<N>/           run folders
        failures/<row>-seed<N>.json   why a run has no result
        locks/                        lock files of the runs, empty
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from kerasnets import runs
from kerasnets.errors import RecipeError, RunError, option, unknown
from kerasnets.paper.rows import PAPER
from kerasnets.paper.scales import ASSUMPTIONS, SCALES, recipe_at
from kerasnets.recipe import SETTINGS, Recipe
from kerasnets.recipe.fields import L2
from kerasnets.storage import folders
from kerasnets.version import __version__

DEFAULT_SCALE = "quick"
DEFAULT_ROOT = Path("artifacts/study")


@dataclass(frozen=True)
class RunsFolder:
    """A folder of planned runs, with their failure files and locks."""

    path: Path

    @contextlib.contextmanager
    def lock(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Acquire the folder's lock of that name; yield whether it was acquired.

        Args:
            wait: whether to wait until another holder releases it.
        """
        folder = self.path / "locks"
        folder.mkdir(exist_ok=True)
        lock = filelock.FileLock(folder / f"{name}.lock")
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=-1 if wait else 0, poll_interval=0.2)
        try:
            yield lock.is_locked
        finally:
            lock.release()


@dataclass(frozen=True)
class PlannedRun:
    """One row of the paper under one seed.

    Attributes:
        place: the study or reconciliation that keeps it.
        row: a name from `kerasnets.paper.rows.PAPER`.
        seed: >= 0.
        recipe: at the study's scale.
        alternative: name of the change to the row; "" if none.
    """

    place: RunsFolder
    row: str
    seed: int
    recipe: Recipe
    alternative: str = ""

    @property
    def name(self) -> str:
        return f"{self.alternative or self.row}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        return self.place.path / "runs" / self.name

    @property
    def failure_file(self) -> Path:
        return self.place.path / "failures" / f"{self.name}.json"


@dataclass(frozen=True)
class Study(RunsFolder):
    """A study: which rows it runs, and how.

    Attributes:
        path: its folder.
        scale: a name from `kerasnets.paper.scales.SCALES`.
        seeds: number of runs of each row, with seeds 0 to seeds - 1.
        created: time of creation, ISO 8601.
        assumptions: recipe fields changed in every row, by name.
        rows: names from `kerasnets.paper.rows.PAPER`, in the paper's order.
        initial_weights, decay: of every recipe; "backend" and "decoupled" in older
            studies, which did not record them.
    """

    scale: str
    seeds: int
    created: str
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[str, ...] = tuple(PAPER)
    initial_weights: str = "numpy"
    decay: str = L2

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs, ordered by seed, then row."""
        return tuple(
            PlannedRun(self, row, seed, self.recipe(row, seed))
            for seed in range(self.seeds)
            for row in self.rows
        )

    def recipe(self, row: str, seed: int = 0) -> Recipe:
        recipe = recipe_at(self.scale, row, seed, **self.assumptions)
        return dataclasses.replace(
            recipe, initial_weights=self.initial_weights, decay=self.decay
        )


def plan(
    path: Path | str | None = None,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    assumptions: Mapping[str, Any] = {},
) -> Study:
    """Load the study of a folder, or create a new one in memory; writes nothing.

    Omitted values come from the folder's study.json; a new study has `DEFAULT_SCALE`
    and one seed. If `seeds` is larger than the study's, seeds are added.

    Args:
        path: the study's folder; artifacts/study/<scale> unless given.
        scale: a name from `kerasnets.paper.scales.SCALES`.
        seeds: number of runs of each row.
        assumptions: recipe fields of `ASSUMPTIONS` to change in every row.

    Raises:
        RunError: the folder has a study with other values, or other files.
        RecipeError: the scale is unknown, or a value is out of its range.
    """
    if scale is not None and scale not in SCALES:
        raise RecipeError(unknown("scale", scale, SCALES))
    for name in assumptions:
        if name not in ASSUMPTIONS:
            raise RecipeError(unknown("assumption", name, ASSUMPTIONS))
    if seeds is not None and seeds < 1:
        raise RecipeError(f"seeds must be at least 1, not {seeds}.")
    path = Path(DEFAULT_ROOT / (scale or DEFAULT_SCALE) if path is None else path)
    if (path / "study.json").exists():
        found = load(path)
        _check_agrees(found, scale, seeds, assumptions)
        return dataclasses.replace(found, seeds=max(found.seeds, seeds or 1))
    obstacle: str | None = f"{path} exists but is not a study"
    # A process killed during its first write leaves a hidden temporary file.
    if not path.exists() or (
        path.is_dir() and all(file.name.startswith(".") for file in path.iterdir())
    ):
        obstacle = folders.why_not_writable(path)
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('path')}.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    study = Study(path, scale or DEFAULT_SCALE, seeds or 1, now, dict(assumptions))
    study.recipe(study.rows[0])  # checks the assumptions' ranges
    return study


def begin(place: RunsFolder) -> None:
    """Write a study's study.json, unless it is up to date, and create the subfolders.

    Raises:
        RunError: the folder cannot be written.
    """
    path = place.path
    try:
        path.mkdir(parents=True, exist_ok=True)
        if isinstance(place, Study) and not (
            (path / "study.json").exists() and load(path) == place
        ):
            _write(place)
        for folder in ("runs", "failures", "locks"):
            (path / folder).mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}.") from error


def _write(study: Study) -> None:
    runs.write_json(
        study.path / "study.json",
        {
            "scale": study.scale,
            "seeds": study.seeds,
            "assumptions": dict(study.assumptions),
            "created": study.created,
            "kerasnets": __version__,
            "rows": {row: dataclasses.asdict(study.recipe(row)) for row in study.rows},
        },
    )


def load(path: Path | str) -> Study:
    """Load the study of a folder.

    Raises:
        RunError: there is no study, it is damaged, or this version of kerasnets would
            run other recipes.
    """
    path = Path(path)
    file = path / "study.json"
    record = runs.read_json(file)
    try:
        before = {row: dict(recipe) for row, recipe in record["rows"].items()}
        first = next(iter(before.values()), {})
        same_in_all_rows = {
            name: first.get(name, SETTINGS[name].absent)
            for name in ("initial_weights", "decay")
        }
        study = Study(
            path,
            record["scale"],
            int(record["seeds"]),
            str(record["created"]),
            dict(record["assumptions"]),
            tuple(before),
            **same_in_all_rows,
        )
        now = {row: dataclasses.asdict(study.recipe(row)) for row in study.rows}
        if study.seeds < 1 or {PAPER[row].table for row in study.rows} != {1, 2}:
            raise ValueError("no runs, or an empty table")
    except (AttributeError, KeyError, TypeError, ValueError, RecipeError) as error:
        raise RunError(f"{file} does not describe a study.") from error
    for row, recipe in now.items():
        for name, value in recipe.items():
            if before[row].get(name, value) != value:
                raise RunError(
                    f"{path} was made with {name} {before[row][name]!r} for {row}, "
                    f"where kerasnets {__version__} has {value!r}; choose another "
                    f"{option('path')}."
                )
    return study


def chosen_rows(study: Study, names: Sequence[str]) -> tuple[str, ...]:
    """The rows to work on: those named, or all.

    Raises:
        RecipeError: a row is unknown.
    """
    for name in names:
        if name not in study.rows:
            raise RecipeError(unknown("row", name, study.rows))
    return tuple(row for row in study.rows if not names or row in names)


def _check_agrees(
    found: Study, scale: str | None, seeds: int | None, assumptions: Mapping[str, Any]
) -> None:
    asked: dict[str, tuple[Any, Any]] = {"scale": (found.scale, scale or found.scale)}
    for name, value in assumptions.items():
        asked[name] = (getattr(found.recipe(found.rows[0]), name), value)
    # More seeds than it has are added to it.
    asked["seeds"] = (found.seeds, min(seeds or found.seeds, found.seeds))
    for name, (present, value) in asked.items():
        if present != value:
            raise RunError(
                f"{found.path} is a study with {name} {present}, not {value}; leave "
                f"{option(name)} out to continue it, or choose another "
                f"{option('path')}."
            )
