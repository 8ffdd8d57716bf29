"""Times of the epochs."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from kerasnets.paper.tables import table_of
from kerasnets.report.sources import Sources
from kerasnets.runs.records import EpochTime, epoch_times
from kerasnets.text import Table, duration, number, rate

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
    runs = timed.values()

    def medians(quantity: str, form: str) -> list[str]:
        return [format(median(getattr(x, quantity) for x in run), form) for run in runs]

    def waiting(run: Epochs) -> float:
        trained = sum(epoch.train_s for epoch in run)
        return sum(epoch.data_wait_s for epoch in run) / (trained or 1)

    def memory(run: Epochs) -> float | None:
        known = [x.peak_memory_mb for x in run if x.peak_memory_mb is not None]
        return max(known, default=None)

    return Table.of(
        {
            "Run": list(timed),
            "Epochs": [str(len(run)) for run in runs],
            "First epoch (s)": [f"{run[0].seconds:.1f}" for run in runs],
            "Median epoch (s)": medians("seconds", ".1f"),
            "Validation of it (s)": medians("validation_s", ".1f"),
            "Training images/s": [
                rate(median(x.train_images_per_s for x in run)) for run in runs
            ],
            "Waiting for data": [f"{waiting(run):.1%}" for run in runs],
            "Most memory (MB)": [number(memory(run), ",.0f") for run in runs],
            "Training and validation": [
                duration(sum(epoch.seconds for epoch in run)) for run in runs
            ],
        }
    )


def _each(epochs: Epochs) -> Table:
    return table_of(
        epochs,
        {
            "Epoch": lambda one: str(one.epoch),
            "Training (s)": lambda one: f"{one.train_s:.2f}",
            "Validation (s)": lambda one: f"{one.validation_s:.2f}",
            "Images/s": lambda one: rate(one.train_images_per_s),
            "Waiting for data (s)": lambda one: f"{one.data_wait_s:.2f}",
        },
    )
