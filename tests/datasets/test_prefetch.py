"""A batch that was made ahead is the batch that would have been made."""

import sys
import threading
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnets.datasets import Split, Subset
from kerasnets.datasets.pipeline.augmentation import Augmentation
from kerasnets.datasets.pipeline.batches import Batches
from kerasnets.datasets.pipeline.host_pixels import HostPixels
from kerasnets.datasets.pipeline.prefetch import Ahead

module = sys.modules[Batches.__module__]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
SUBSET = Subset(Split(IMAGES, np.arange(50)), np.arange(1, 48))


class AheadPixels(HostPixels):
    ahead = True


def batches(place) -> Batches:
    return Batches(
        SUBSET,
        batch_size=10,
        scale=np.ones(1),
        offset=np.zeros(1),
        augmentation=Augmentation("crop-flip"),
        shuffle=True,
        seed=3,
        place=place,
    )


def assert_same(one, other) -> None:
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_epochs_and_the_rest_of_an_interrupted_one_are_the_same():
    ahead, plain = batches(AheadPixels), batches(HostPixels)
    for start in (None, (1, 3), (7, 0), (7, 4)):
        if start:  # as a resumed run does, whatever was under way
            ahead.begin(*start)
            plain.begin(*start)
        _ = ahead[0], plain[0]  # as Keras does before the first epoch
        ahead.on_epoch_end()
        plain.on_epoch_end()
        for _ in range(2):
            assert ahead.epoch == plain.epoch and len(ahead) == len(plain)
            for index in range(len(plain)):
                assert_same(ahead[index], plain[index])
            ahead.on_epoch_end()
            plain.on_epoch_end()


def test_any_order_is_served():
    ahead, plain = batches(AheadPixels), batches(HostPixels)
    for index in (2, 3, 3, 0, 4, 1, 2):
        assert_same(ahead[index], plain[index])


def test_the_next_is_made_by_another_thread_before_it_is_asked_for():
    made = {}
    second = threading.Event()

    def make(epoch, index):
        made[index] = threading.current_thread()
        if index == 1:
            second.set()
        return index

    ahead = Ahead(make)
    assert ahead(0, 0, last=False) == 0
    assert second.wait(10)
    assert ahead(0, 1, last=True) == 1
    assert made[0] is threading.current_thread() is not made[1]
    assert set(made) == {0, 1}  # none after the last


def test_what_goes_wrong_ahead_is_raised_where_the_batch_is_asked_for():
    def make(epoch, index):
        if index:
            raise OSError("gone")

    ahead = Ahead(make)
    ahead(0, 0, last=False)
    with pytest.raises(OSError, match="gone"):
        ahead(0, 1, last=False)


@pytest.mark.parametrize("ahead", [False, True])
def test_waiting_is_counted(ahead, monkeypatch):
    passed = defaultdict(int)  # seconds in which each thread has made batches
    made = threading.Semaphore(0)

    class Slow(HostPixels):
        def __call__(self, *batch):
            passed[threading.current_thread()] += 1
            made.release()
            return super().__call__(*batch)

    Slow.ahead = ahead
    slow = batches(Slow)
    clock = SimpleNamespace(perf_counter=lambda: passed[threading.current_thread()])
    monkeypatch.setattr(module, "time", clock)
    _ = slow[0]
    assert slow.waited_s == 1
    for _ in range(1 + ahead):  # a step, in which the next one is made
        assert made.acquire(timeout=60)
    _ = slow[1]
    assert slow.waited_s == (1 if ahead else 2)
