"""What `kerasnets explain` writes to a run folder, and its reader."""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.storage.files import read_csv, remove

FOLDER = "explanations"
FILE = "explanations.csv"
_PICTURE = re.compile(r"\d{3,}-[^/]*\.png")


class Explained(NamedTuple):
    """A row of explanations.csv."""

    file: str
    image: str
    label: str
    prediction: str
    confidence: float
    explained: str
    method: str


COLUMNS = Explained._fields


def read_explanations(folder: Path) -> list[Explained]:
    """What explanations.csv in a folder lists; nothing where there is none.

    Raises:
        RunError: it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        return [
            Explained(
                file=row["file"],
                image=row["image"],
                label=row["label"],
                prediction=row["prediction"],
                confidence=float(row["confidence"]),
                explained=row["explained"],
                method=row["method"],
            )
            for row in read_csv(path, COLUMNS)
        ]
    except ValueError as error:
        raise RunError(f"{path} does not hold explanations.") from error


def clear(folder: Path) -> None:
    """Remove the files that explanations.csv in a folder lists, and that file."""
    with contextlib.suppress(RunError):
        for row in read_explanations(folder):
            if _PICTURE.fullmatch(row.file):
                remove(folder / row.file)
    remove(folder / FILE)


def remove_explanations(run: Run) -> None:
    """Remove those in a run folder: they are of a network that is no more."""
    folder = run.path / FOLDER
    if folder.is_dir():
        clear(folder)
        with contextlib.suppress(OSError):  # somebody else's file is in there
            folder.rmdir()
