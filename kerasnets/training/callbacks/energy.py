"""energy.csv: the energy of each epoch, where the device measures it."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from kerasnets.compute.energy import Counter, energy_counter
from kerasnets.runs.records import ENERGY
from kerasnets.training.callbacks.epoch_table import EpochTable
from kerasnets.training.callbacks.recorders import TableKeeper

_LOOK_S = 60  # counters of processors wrap around about every hour


class EnergyLogger(TableKeeper):
    """energy.csv: joules of each epoch, training and validation together.

    The joules of an interrupted epoch are those up to the checkpoint from which it was
    resumed, plus those after. An epoch in which the counter fails, or whose joules up
    to the checkpoint are unknown, has no row.
    """

    def __init__(self, folder: Path, counter: Counter) -> None:
        super().__init__()
        self.table = EpochTable(folder / ENERGY.file, ENERGY.columns)
        self.counter = counter
        self._earlier = 0.0

    def part(self) -> dict[str, float]:
        used = self._used()
        return {"energy_j": used} if math.isfinite(used) else {}

    def go_on_from(self, part: Mapping[str, float]) -> None:
        self._earlier = part.get("energy_j", math.nan)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began = self._joules() - self._earlier
        self._earlier = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if time.monotonic() - self._looked_s > _LOOK_S:
            self._joules()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        used = self._used()
        if math.isfinite(used):
            self.table.add([[epoch + 1, round(used, 3)]])

    def _used(self) -> float:
        return self._joules() - self._began

    def _joules(self) -> float:
        self._looked_s = time.monotonic()
        try:
            return self.counter()
        except (OSError, ValueError):
            return math.nan


def energy_loggers(folder: Path, device: str) -> list[EnergyLogger]:
    """One logger if the device ("cpu", "cuda:N") measures its energy, else none."""
    counter = energy_counter(device)
    return [EnergyLogger(folder, counter)] if counter else []
