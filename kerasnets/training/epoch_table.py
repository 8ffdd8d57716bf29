"""A CSV file of the run folder that grows by rows as epochs end."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kerasnets import runs


class EpochTable:
    """Rows by epoch; the file is rewritten whole and atomically.

    The rows are also part of every checkpoint, and reach the file once that is on disk:
    what the file tells is never lost. A resumed run starts from the rows of its
    checkpoint, so that no row is missing or there twice.

    Args:
        path: the CSV file.
        columns: its header. The first column is the epoch, counted from 1.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.rows: list[list[Any]] = []

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        self.rows.extend(list(row) for row in rows)

    def write(self) -> None:
        runs.write_csv(self.path, self.columns, self.rows)
