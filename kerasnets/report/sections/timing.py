"""Times of the epochs."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from kerasnets.paper.tables import table_of
from kerasnets.report.sources import Sources
from kerasnets.runs.records import EpochTime, epoch_times
from kerasnets.text import Table, duration

Epochs = Sequence[EpochTime]


def timing(sources: Sources) -> dict[str, Any] | None:
    """Seconds, speed, waiting and memory of each run and its epochs."""
    times = {record.label: epoch_times(record.run) for record in sources.records}
    timed = {label: epochs for label, epochs in times.items() if epochs}
    if not timed:
        return None
    return {
        "whole": _runs(timed),
        "each": [(label, _each(epochs)) for label, epochs in timed.items()],
    }


def _runs(timed: Mapping[str, Epochs]) -> Table:
    def seconds(epochs: Epochs) -> list[float]:
        return [epoch.seconds for epoch in epochs]

    def waiting(epochs: Epochs) -> float:
        trained = sum(epoch.train_s for epoch in epochs)
        return sum(epoch.data_wait_s for epoch in epochs) / (trained or 1)

    def memory(epochs: Epochs) -> str:
        known = [x.peak_memory_mb for x in epochs if x.peak_memory_mb is not None]
        return f"{max(known):,.0f}" if known else ""

    return table_of(
        timed.items(),
        {
            "Run": lambda one: one[0],
            "Epochs": lambda one: str(len(one[1])),
            "First epoch (s)": lambda one: f"{seconds(one[1])[0]:.1f}",
            "Median epoch (s)": lambda one: f"{median(seconds(one[1])):.1f}",
            "Validation of it (s)": lambda one: (
                f"{median(epoch.validation_s for epoch in one[1]):.1f}"
            ),
            "Training images/s": lambda one: (
                f"{median(epoch.train_images_per_s for epoch in one[1]):,.0f}"
            ),
            "Waiting for data": lambda one: f"{waiting(one[1]):.1%}",
            "Most memory (MB)": lambda one: memory(one[1]),
            "Training and validation": lambda one: duration(sum(seconds(one[1]))),
        },
    )


def _each(epochs: Epochs) -> Table:
    return table_of(
        epochs,
        {
            "Epoch": lambda one: str(one.epoch),
            "Training (s)": lambda one: f"{one.train_s:.2f}",
            "Validation (s)": lambda one: f"{one.validation_s:.2f}",
            "Images/s": lambda one: f"{one.train_images_per_s:,.0f}",
            "Waiting for data (s)": lambda one: f"{one.data_wait_s:.2f}",
        },
    )
