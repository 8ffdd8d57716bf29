"""Readers of energy counters.

NVIDIA's driver counts the energy of the whole board, read through nvidia-ml-py (the
extra "energy"). Processors have RAPL package counters, which most Linux systems expose
to administrators only. Both include other programs' energy.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")

# Joules since an arbitrary moment.
Counter = Callable[[], float]


def energy_counter(device: str) -> Counter | None:
    """The energy counter of a device ("cpu", "cuda:N"), in joules; None if it has
    none."""
    if device == "cpu":
        return _processor()
    if device.startswith("cuda:"):
        return _graphics_card(int(device.partition(":")[2]))
    return None


def _processor() -> Counter | None:
    try:
        zones = [
            zone
            for zone in sorted(POWERCAP.glob("intel-rapl:*"))
            # Exclude parts of a package and the surrounding platform.
            if re.fullmatch(r"intel-rapl:\d+", zone.name)
            and (zone / "name").read_text().startswith("package")
        ]
        return Rapl(zones) if zones else None
    except (OSError, ValueError):
        return None


class Rapl:
    """The sum of the packages' counters. They wrap around after about an hour of full
    load, so call it more often.

    Args:
        zones: folders of the packages, each with energy_uj and max_energy_range_uj.
    """

    def __init__(self, zones: Sequence[Path]) -> None:
        self._zones = {
            zone: int((zone / "max_energy_range_uj").read_text()) for zone in zones
        }
        self._before = self._read()
        self._microjoules = 0

    def __call__(self) -> float:
        now = self._read()
        self._microjoules += sum(
            (now[zone] - self._before[zone]) % (highest + 1)
            for zone, highest in self._zones.items()
        )
        self._before = now
        return self._microjoules / 1e6

    def _read(self) -> dict[Path, int]:
        return {zone: int((zone / "energy_uj").read_text()) for zone in self._zones}


def _graphics_card(index: int) -> Counter | None:
    """The counter of a CUDA device. Its UUID maps CUDA's index to the driver's."""
    try:
        import pynvml
    except ImportError:  # part of the extra "energy"
        return None
    import torch

    def joules() -> float:
        try:
            return pynvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000
        except pynvml.NVMLError as error:
            raise OSError("the driver no longer reports the card's energy") from error

    try:
        uuid = torch.cuda.get_device_properties(index).uuid
        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        joules()
    # No card, or a driver that is missing or too old to report energy.
    except (OSError, AttributeError, AssertionError, RuntimeError, pynvml.NVMLError):
        return None
    return joules
