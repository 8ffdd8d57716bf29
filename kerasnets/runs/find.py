"""Find runs by folder, pattern or name, and label them."""

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kerasnets import runs
from kerasnets.catalog.titles import measured_name
from kerasnets.errors import RunError, shown, unknown
from kerasnets.runs import Run
from kerasnets.storage.run_folders import below, named, names


def find_runs(names: Iterable[str]) -> list[Run]:
    """The named runs, each once, in order.

    Args:
        names: each a run folder, a folder with runs at any depth (in order of their
            paths), a pattern such as "runs/mnist-*" for either, or the name of a run in
            artifacts/runs.

    Raises:
        RunError: a name does not exist, or a folder contains no runs.
        RecipeError: the recipe of a run is damaged.
    """
    found: dict[Path, Path] = {}
    for name in names:
        for path in _paths(name):
            found.setdefault(path.resolve(), path)
    return [runs.load(path) for path in found.values()]


def _paths(name: str) -> list[Path]:
    path = named(Path(name))
    matches = [path] if path.exists() else _matches(name)
    if not matches:
        raise RunError(_no_such(name))
    found = [run for match in matches if match.is_dir() for run in below(match)]
    if not found:
        raise RunError(
            f"{shown(name)} is not a run folder, and there is none below it."
        )
    return found


def _matches(pattern: str) -> list[Path]:
    # Path.glob does not support absolute patterns.
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207
    return [Path(name) for name in sorted(found)]


def _no_such(name: str) -> str:
    if known := names():
        return unknown("run", name, known)
    return f"there is no run folder {shown(name)}."


_SEED = re.compile(r"[^/](-seed\d+)$")


def labels(chosen: Sequence[Run]) -> list[str]:
    """The shortest path endings that distinguish the runs, in the same order.

    A common suffix "-seedN" is omitted. The dataset is added if a name begins with the
    name of another one.
    """
    paths = [run.path.resolve() for run in chosen]
    found = []
    for path in paths:
        length = 1
        while (
            length < len(path.parts)
            and sum(other.parts[-length:] == path.parts[-length:] for other in paths)
            > 1
        ):
            length += 1
        found.append("/".join(path.parts[-length:]))
    seeds = {m[1] if (m := _SEED.search(label)) else "" for label in found}
    if len(seeds) == 1:
        found = [label.removesuffix(*seeds) for label in found]
    return [
        measured_name(label, run.recipe.dataset)
        for label, run in zip(found, chosen, strict=True)
    ]
