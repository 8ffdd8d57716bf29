"""Images that do not fit into the free memory are decoded to disk, to the same bits."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnets import datasets
from kerasnets.datasets.dataset import statistics
from kerasnets.datasets.images import memory
from kerasnets.datasets.sources.digits import load_digits
from kerasnets.errors import DatasetError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and hardly any free memory."""
    monkeypatch.setenv("KERASNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "free_memory", lambda: 1e5)
    load_digits.cache_clear()
    yield tmp_path / "cache"
    load_digits.cache_clear()


def test_they_are_on_disk_under_no_name(cache):
    made = memory.empty_images(100, 32, 3)
    assert isinstance(made, np.memmap) and made.shape == (100, 32, 32, 3)
    made[:] = 7
    assert (made == 7).all()
    assert list(cache.iterdir()) == []
    assert not isinstance(memory.empty_images(1, 8, 1), np.memmap)


def test_the_dataset_is_the_same(cache, monkeypatch):
    on_disk = load_digits(16, 1)
    monkeypatch.setattr(memory, "free_memory", lambda: np.inf)
    load_digits.cache_clear()
    in_memory = datasets.load("digits", image_size=16, channels=1)
    assert on_disk.fingerprint == in_memory.fingerprint
    np.testing.assert_array_equal(on_disk.mean, in_memory.mean)
    np.testing.assert_array_equal(on_disk.std, in_memory.std)


def test_no_room_on_disk_is_one_line(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DatasetError, match="No space left on device") as error:
        memory.empty_images(1000, 224, 3)
    assert "\n" not in str(error.value) and "0.2 GB" in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(cache, monkeypatch):
    cache.write_text("a file")
    with pytest.raises(DatasetError, match="File exists"):
        memory.empty_images(1000, 224, 3)


@pytest.mark.parametrize("count", [1, 999, 1000, 2500])
def test_statistics_are_exact_in_parts(count):
    values = np.random.default_rng(0).integers(0, 256, (count, 2, 3, 2), dtype=np.uint8)
    mean, std = statistics(values)
    flat = values.reshape(-1, 2) / 255
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, flat.std(axis=0), rtol=1e-9)
    rows = np.arange(0, count, 2)
    np.testing.assert_array_equal(statistics(values, rows), statistics(values[rows]))


def test_free_memory_is_that_of_this_machine():
    assert 1e7 < memory.free_memory() < 1e14
