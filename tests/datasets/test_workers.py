"""Processes that make batches ahead: the same bits with any number of them, and one
line where one is killed or hangs."""

import os
import signal
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from numbered import faulty, growing, numbers, slow

from kerasnets.compute import worker
from kerasnets.datasets import Dataset, Split, Subset
from kerasnets.datasets.pipeline.batches import training_batches
from kerasnets.datasets.pipeline.workers import Workers
from kerasnets.errors import ProcessEnded
from kerasnets.recipe import Recipe


def pids(workers: Workers) -> list[int]:
    return [worker._process.pid for worker in workers._workers]


def test_batches_come_in_order_over_epochs_and_from_anywhere():
    workers = Workers(numbers, 3, 2)
    made = [workers(*divmod(number, 3)).tolist() for number in range(7)]
    assert [one[:2] for one in made] == [[n // 3, n % 3] for n in range(7)]
    assert {one[2] for one in made} == set(pids(workers))
    assert workers(5, 1)[:2].tolist() == [5, 1]
    assert workers(5, 2)[:2].tolist() == [5, 2]
    assert workers(0, 0)[:2].tolist() == [0, 0]
    ended = [worker._process for worker in workers._workers]
    del workers
    assert not any(process.is_alive() for process in ended)


@pytest.mark.parametrize("room", [0, 24, 100])
@pytest.mark.parametrize("free", [0, 2**30])
def test_shared_memory_and_pipes_carry_the_same_batches(monkeypatch, room, free):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(worker.shutil, "disk_usage", lambda _: usage)
    workers = Workers(growing, 5, 2, room=room)
    for number in range(10):
        epoch, index = divmod(number, 5)
        batch = workers(epoch, index)
        np.testing.assert_array_equal(batch, growing(epoch, index))
        shared = bool(room and free) and batch.nbytes <= room
        assert shared == (batch.base is not None)
    np.testing.assert_array_equal(workers(3, 2), growing(3, 2))  # from anywhere


def test_a_batch_stays_until_the_next_is_asked_for():
    workers = Workers(numbers, 3, 1, room=24)
    for number in range(6):
        batch = workers(*divmod(number, 3))
        before = batch.tolist()
        time.sleep(0.05)  # the process makes the next one meanwhile
        assert batch.tolist() == before


def test_a_killed_worker_is_one_line():
    workers = Workers(numbers, 3, 2)
    workers(0, 0)
    os.kill(pids(workers)[1], signal.SIGKILL)
    with pytest.raises(ProcessEnded) as error:
        for index in range(6):
            workers(*divmod(index + 1, 3))
    assert "worker 2 of 2" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hung_worker_is_one_line():
    workers = Workers(slow, 3, 1, hung_after_s=20)
    workers(0, 0)
    workers._hung_after_s = 1
    workers(0, 1)
    with pytest.raises(ProcessEnded, match="took longer than 1 s") as error:
        workers(0, 2)
    assert "\n" not in str(error.value)


def test_what_a_worker_raises_is_raised():
    workers = Workers(faulty, 3, 1)
    workers(0, 0)
    workers(0, 1)
    with pytest.raises(ValueError, match="the third is damaged"):
        workers(0, 2)


@pytest.mark.parametrize("mapped", [False, True])
def test_the_batches_are_those_of_no_worker(tmp_path, mapped):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    if mapped:
        np.save(tmp_path / "images.npy", images)
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
    split = Split(images, np.arange(30) % 5)
    half = np.full(3, 0.5)
    made = Dataset("made", split, split, tuple("abcde"), half, half, "", "")
    recipe = Recipe.for_paper(
        "resnet18",
        "made",
        batch_size=8,
        augment="resized-crop",
        randaugment=9,
        mixup=0.4,
        random_erasing=0.5,
    )
    subset = Subset(split, np.arange(3, 30))
    alone = training_batches(recipe, made, subset)
    helped = training_batches(recipe, made, subset, workers=2)
    for _ in range(2):
        for index in range(len(alone)):
            for ours, theirs in zip(helped[index], alone[index], strict=True):
                np.testing.assert_array_equal(ours, theirs)
        helped.on_epoch_end()
        alone.on_epoch_end()
    assert helped.epoch == 2
    assert keras.config.image_data_format() == "channels_last"
