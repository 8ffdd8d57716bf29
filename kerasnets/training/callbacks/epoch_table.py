"""A CSV file of the run folder to which every epoch adds rows."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from kerasnets import runs


class EpochTable:
    """Rows by epoch; the file is rewritten whole and atomically.

    Checkpoints store the rows too, and the file is written after the checkpoint: a row
    in the file is never lost. A resumed run starts from the rows of its checkpoint, so
    that no row is missing or duplicated.

    Args:
        path: the CSV file.
        columns: its header. The first column is the epoch, counted from 1.
        completed: fills up a row of an older checkpoint that has fewer columns.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        completed: Callable[[list[Any]], list[Any]] = list,
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.completed = completed
        self.rows: list[list[Any]] = []

    def restore(self, rows: Iterable[Sequence[Any]]) -> None:
        """Reset to the rows of a checkpoint, and write them."""
        self.rows = [self.completed(list(row)) for row in rows]
        self.write()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        self.rows.extend(list(row) for row in rows)

    def write(self) -> None:
        runs.write_csv(self.path, self.columns, self.rows)
