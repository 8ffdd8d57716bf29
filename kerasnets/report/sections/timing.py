"""How long each epoch took."""

from collections.abc import Iterator, Sequence
from statistics import median

from kerasnets.errors import RunError
from kerasnets.report.html import Html, folded, paragraph, section, table
from kerasnets.report.sources import Record
from kerasnets.runs import read_csv
from kerasnets.text import Table
from kerasnets.training.callbacks.progress import duration


def timing_section(records: Sequence[Record]) -> Html:
    """Seconds, speed, waiting and memory of each run, and all of its epochs."""
    times = {record.label: _epochs(record) for record in records}
    timed = {label: rows for label, rows in times.items() if rows}
    if not timed:
        return Html()
    whole = Table(
        (
            "Run",
            "Epochs",
            "First epoch (s)",
            "Median epoch (s)",
            "Validation of it (s)",
            "Training images/s",
            "Waiting for data",
            "Most memory (MB)",
            "Training and validation",
        ),
        tuple(_run(label, rows) for label, rows in timed.items()),
    )
    return section(
        "timing",
        "Time",
        paragraph(
            "Wall time; images a second are those of the median epoch. Memory is the "
            "accelerator's where one is used, else the process's."
        ),
        table(whole, "Time of each run"),
        *(
            folded(f"Every epoch of {label}", table(_each(rows), f"Epochs of {label}"))
            for label, rows in timed.items()
        ),
    )


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


def _column(rows: Sequence[dict[str, float | None]], name: str) -> Iterator[float]:
    return (value for row in rows if (value := row.get(name)) is not None)


def _run(label: str, rows: Sequence[dict[str, float | None]]) -> tuple[str, ...]:
    train, validation = (list(_column(rows, n)) for n in ("train_s", "validation_s"))
    whole = [sum(pair) for pair in zip(train, validation, strict=True)]
    memory = max(_column(rows, "peak_memory_mb"), default=None)
    return (
        label,
        str(len(rows)),
        f"{whole[0]:.1f}",
        f"{median(whole):.1f}",
        f"{median(validation):.1f}",
        f"{median(_column(rows, 'train_images_per_s')):,.0f}",
        f"{sum(_column(rows, 'data_wait_s')) / (sum(train) or 1):.1%}",
        "" if memory is None else f"{memory:,.0f}",
        duration(sum(whole)),
    )


def _each(rows: Sequence[dict[str, float | None]]) -> Table:
    return Table(
        ("Epoch", "Training (s)", "Validation (s)", "Images/s", "Waiting for data (s)"),
        tuple(
            tuple(
                f"{row[name]:{form}}"
                for name, form in (
                    ("epoch", ".0f"),
                    ("train_s", ".2f"),
                    ("validation_s", ".2f"),
                    ("train_images_per_s", ",.0f"),
                    ("data_wait_s", ".2f"),
                )
            )
            for row in rows
        ),
    )
