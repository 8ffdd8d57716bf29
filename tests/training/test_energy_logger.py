"""Joules are counted where the device counts them, and never in the way of training."""

import sys
from types import ModuleType, SimpleNamespace

import keras
import pytest
import torch

from kerasnets.compute import energy
from kerasnets.compute.energy import energy_counter
from kerasnets.recipe import Recipe
from kerasnets.runs import read_csv
from kerasnets.training.callbacks import energy as module
from kerasnets.training.callbacks.energy import EnergyLogger
from kerasnets.training.fit import fit


def zone(folder, name: str, kind: str, microjoules: int):
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(f"{kind}\n")
    (path / "max_energy_range_uj").write_text("9999999\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")
    return tmp_path / "powercap"


def test_packages_are_added_up_and_begin_anew(powercap):
    zone(powercap, "intel-rapl:0", "package-0", 9_000_000)
    zone(powercap, "intel-rapl:1", "package-1", 1_000_000)
    zone(powercap, "intel-rapl:0:0", "core", 500_000)
    zone(powercap, "intel-rapl:2", "psys", 500_000)
    joules = energy_counter("cpu")
    assert joules is not None and joules() == 0
    zone(powercap, "intel-rapl:0", "package-0", 1_000_000)  # past 9,999,999 µJ
    zone(powercap, "intel-rapl:1", "package-1", 1_500_000)
    zone(powercap, "intel-rapl:0:0", "core", 900_000)
    assert joules() == pytest.approx(2 + 0.5)
    assert joules() == pytest.approx(2 + 0.5)


def test_none_where_the_device_does_not_say(powercap):
    assert energy_counter("cpu") is None
    assert energy_counter("cuda:0") is None
    assert energy_counter("mps") is None
    zone(powercap, "intel-rapl:0", "package-0", 1)
    (powercap / "intel-rapl:0" / "energy_uj").unlink()  # as one that may not be read
    assert energy_counter("cpu") is None


def recipe(epochs: int) -> Recipe:
    return Recipe.for_paper(
        "vgg11", "digits", head="compact", epochs=epochs, limit=40, batch_size=18
    )


def test_a_run_has_the_joules_of_each_epoch_also_resumed(
    tmp_path, monkeypatch, narrow_networks
):
    readings = iter(range(0, 1000, 7))
    monkeypatch.setattr(module, "energy_counter", lambda device: lambda: next(readings))
    fit(recipe(1), tmp_path / "run", verbosity=0)
    run = fit(recipe(3), tmp_path / "run", resume=True, verbosity=0)
    assert read_csv(run.path / "energy.csv") == [
        {"epoch": str(epoch), "energy_j": "7.0"} for epoch in (1, 2, 3)
    ]


def test_an_epoch_begun_where_nothing_is_counted_has_no_row(
    tmp_path, monkeypatch, narrow_networks
):
    class Cut(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            recipe(2),
            tmp_path / "run",
            verbosity=0,
            checkpoint_every=1,
            callbacks=[Cut()],
        )
    readings = iter(range(0, 1000, 7))
    monkeypatch.setattr(module, "energy_counter", lambda device: lambda: next(readings))
    run = fit(recipe(2), tmp_path / "run", resume=True, verbosity=0)
    rows = read_csv(run.path / "energy.csv")
    assert rows == [{"epoch": "2", "energy_j": "7.0"}]


def test_no_file_where_nothing_is_counted(tmp_path, powercap, narrow_networks):
    run = fit(recipe(1), tmp_path / "run", verbosity=0)
    assert not (run.path / "energy.csv").exists()


def test_an_interrupted_epoch_keeps_what_it_had(tmp_path):
    readings = iter([100.0, 130.0, 1000.0, 1005.0])
    before = EnergyLogger(tmp_path, lambda: next(readings))
    before.on_epoch_begin(0)
    part = before.part()
    after = EnergyLogger(tmp_path, lambda: next(readings))
    after.go_on_from(part)
    after.on_epoch_begin(0)
    after.on_epoch_end(0)
    assert after.table.rows == [[1, 35.0]]


def test_a_counter_that_fails_ends_no_training(tmp_path):
    def fails():
        raise OSError("gone")

    logger = EnergyLogger(tmp_path, fails)
    logger.on_epoch_begin(0)
    assert logger.part() == {}
    logger.on_epoch_end(0)
    assert logger.table.rows == []


class Driver(ModuleType):
    """Stands in for nvidia-ml-py: a card that has used 5 J more at each look."""

    class NVMLError(Exception):
        pass

    def __init__(self, uuid: str) -> None:
        super().__init__("pynvml")
        self.uuid, self.millijoules, self.gone = uuid, 0, False

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != self.uuid:
            raise self.NVMLError("Not Found")
        return "card"

    def nvmlDeviceGetTotalEnergyConsumption(self, card):
        if self.gone:
            raise self.NVMLError("GPU is lost")
        self.millijoules += 5000
        return self.millijoules


def test_a_card_is_found_by_its_uuid(monkeypatch):
    card = SimpleNamespace(uuid="12-34")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    driver = Driver("GPU-12-34")
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    joules = energy_counter("cuda:0")
    assert joules() - joules() == -5
    driver.gone = True
    with pytest.raises(OSError, match="no longer reports"):
        joules()
    for other in (Driver("GPU-56-78"), None):  # None: the package is not installed
        monkeypatch.setitem(sys.modules, "pynvml", other)
        assert energy_counter("cuda:0") is None
