"""Reader of the files that `kerasnets explain` writes into a run folder."""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.storage.files import read_rows, remove

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
    """Rows of explanations.csv in a folder; empty if the file is missing.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return []
    return read_rows(path, COLUMNS, Explained, "explanations")


def clear(folder: Path) -> None:
    """Remove explanations.csv in a folder and the files that it lists."""
    with contextlib.suppress(RunError):
        for row in read_explanations(folder):
            if _PICTURE.fullmatch(row.file):
                remove(folder / row.file)
    remove(folder / FILE)


def remove_explanations(run: Run) -> None:
    """Remove the explanations of a run, which are outdated once it trains further."""
    folder = run.path / FOLDER
    if folder.is_dir():
        clear(folder)
        with contextlib.suppress(OSError):  # the folder contains a foreign file
            folder.rmdir()
