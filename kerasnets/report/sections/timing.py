"""How long each epoch took."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from kerasnets.errors import RunError
from kerasnets.paper.tables import table_of
from kerasnets.report.sources import Record, Sources
from kerasnets.runs import read_csv
from kerasnets.text import TextTable, duration

Rows = Sequence[dict[str, float | None]]


def timing(sources: Sources) -> dict[str, Any] | None:
    """Seconds, speed, waiting and memory of each run, and all of its epochs."""
    times = {record.label: _epochs(record) for record in sources.records}
    timed = {label: rows for label, rows in times.items() if rows}
    if not timed:
        return None
    return {
        "whole": _runs(timed),
        "each": [(label, _each(rows)) for label, rows in timed.items()],
    }


def _epochs(record: Record) -> list[dict[str, float | None]]:
    """Rows of epoch_times.csv as numbers; None where a cell is empty."""
    path = record.run.path / "epoch_times.csv"
    if not path.exists():
        return []
    needed = {"epoch", "train_s", "validation_s", "train_images_per_s", "data_wait_s"}
    try:
        rows = [
            {name: float(value) if value else None for name, value in row.items()}
            for row in read_csv(path)
        ]
    except (TypeError, ValueError) as error:
        raise RunError(f"{path} does not hold epoch times.") from error
    if any(row.get(name) is None for row in rows for name in needed):
        raise RunError(f"{path} does not hold epoch times.")
    return rows


def _column(rows: Rows, name: str) -> Iterator[float]:
    return (value for row in rows if (value := row.get(name)) is not None)


def _runs(timed: Mapping[str, Rows]) -> TextTable:
    def seconds(rows: Rows) -> list[float]:
        both = _column(rows, "train_s"), _column(rows, "validation_s")
        return [sum(pair) for pair in zip(*both, strict=True)]

    def waiting(rows: Rows) -> float:
        return sum(_column(rows, "data_wait_s")) / (sum(_column(rows, "train_s")) or 1)

    def memory(rows: Rows) -> str:
        most = max(_column(rows, "peak_memory_mb"), default=None)
        return "" if most is None else f"{most:,.0f}"

    return table_of(
        timed.items(),
        {
            "Run": lambda one: one[0],
            "Epochs": lambda one: str(len(one[1])),
            "First epoch (s)": lambda one: f"{seconds(one[1])[0]:.1f}",
            "Median epoch (s)": lambda one: f"{median(seconds(one[1])):.1f}",
            "Validation of it (s)": lambda one: (
                f"{median(_column(one[1], 'validation_s')):.1f}"
            ),
            "Training images/s": lambda one: (
                f"{median(_column(one[1], 'train_images_per_s')):,.0f}"
            ),
            "Waiting for data": lambda one: f"{waiting(one[1]):.1%}",
            "Most memory (MB)": lambda one: memory(one[1]),
            "Training and validation": lambda one: duration(sum(seconds(one[1]))),
        },
    )


def _each(rows: Rows) -> TextTable:
    return table_of(
        rows,
        {
            "Epoch": lambda row: f"{row['epoch']:.0f}",
            "Training (s)": lambda row: f"{row['train_s']:.2f}",
            "Validation (s)": lambda row: f"{row['validation_s']:.2f}",
            "Images/s": lambda row: f"{row['train_images_per_s']:,.0f}",
            "Waiting for data (s)": lambda row: f"{row['data_wait_s']:.2f}",
        },
    )
