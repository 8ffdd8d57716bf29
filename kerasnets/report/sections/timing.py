"""How long each epoch took."""

from collections.abc import Sequence
from statistics import median

from kerasnets.report.html import Html, folded, paragraph, section, table
from kerasnets.report.sources import Record
from kerasnets.runs.records import EpochTime, epoch_times
from kerasnets.text import Table
from kerasnets.training.callbacks.progress import duration


def timing_section(records: Sequence[Record]) -> Html:
    """Seconds, speed, waiting and memory of each run, and all of its epochs."""
    times = {record.label: epoch_times(record.run) for record in records}
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


def _run(label: str, epochs: Sequence[EpochTime]) -> tuple[str, ...]:
    whole = [epoch.seconds for epoch in epochs]
    waited = sum(epoch.data_wait_s for epoch in epochs)
    memory = [x.peak_memory_mb for x in epochs if x.peak_memory_mb is not None]
    return (
        label,
        str(len(epochs)),
        f"{whole[0]:.1f}",
        f"{median(whole):.1f}",
        f"{median(epoch.validation_s for epoch in epochs):.1f}",
        f"{median(epoch.train_images_per_s for epoch in epochs):,.0f}",
        f"{waited / (sum(epoch.train_s for epoch in epochs) or 1):.1%}",
        f"{max(memory):,.0f}" if memory else "",
        duration(sum(whole)),
    )


def _each(epochs: Sequence[EpochTime]) -> Table:
    return Table(
        ("Epoch", "Training (s)", "Validation (s)", "Images/s", "Waiting for data (s)"),
        tuple(
            (
                str(one.epoch),
                f"{one.train_s:.2f}",
                f"{one.validation_s:.2f}",
                f"{one.train_images_per_s:,.0f}",
                f"{one.data_wait_s:.2f}",
            )
            for one in epochs
        ),
    )
