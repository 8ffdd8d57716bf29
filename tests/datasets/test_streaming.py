"""Images decoded from their files on the fly: the bits of decoded ones, whatever makes
the batches; bounded memory; and one line where a process or a file fails."""

import os
import signal
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kerasnets import datasets
from kerasnets.datasets.images import memory
from kerasnets.datasets.pipeline import workers as pool
from kerasnets.datasets.pipeline.batches import evaluation_batches, training_batches
from kerasnets.datasets.splits import partition
from kerasnets.datasets.streamed_images import StreamedImages
from kerasnets.errors import DatasetError, ProcessEnded
from kerasnets.recipe import Recipe

CLASSES = ("a & b", "c", "é")


def photo(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((60, 45), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """54 photos of three classes, two of them twice in a class and one unreadable."""
    top = tmp_path_factory.mktemp("photos")
    for number in range(54):
        folder = top / CLASSES[number % 3]
        folder.mkdir(exist_ok=True)
        ending = "jpg" if number % 2 else "png"
        photo(number - number % 9 // 6).save(folder / f"{number}.{ending}")
    (top / "c" / "empty.jpg").write_bytes(b"")
    return top


def recipe(photos, **named) -> Recipe:
    named = {"image_size": 32, "batch_size": 8, "on_corrupt": "skip", **named}
    return Recipe.for_paper("resnet18", photos, **named)


def both(made: Recipe):
    return [datasets.load_for(made, stream=stream) for stream in (False, True)]


def made_batches(made: Recipe, dataset, **named):
    return training_batches(made, dataset, partition(dataset, made).train, **named)


def test_the_dataset_is_the_same(photos):
    decoded, streamed = both(recipe(photos))
    assert isinstance(streamed.train.images, StreamedImages)
    assert streamed.fingerprint == decoded.fingerprint
    assert (streamed.note, streamed.files) == (decoded.note, decoded.files)
    np.testing.assert_array_equal(streamed.mean, decoded.mean)
    np.testing.assert_array_equal(streamed.std, decoded.std)
    np.testing.assert_array_equal(streamed.train.labels, decoded.train.labels)
    np.testing.assert_array_equal(streamed.drawn, decoded.drawn)
    np.testing.assert_array_equal(streamed.groups, decoded.groups)
    np.testing.assert_array_equal(streamed.train.images[:], decoded.train.images)
    np.testing.assert_array_equal(streamed.train.images[3], decoded.train.images[3])


def test_repeated_images_and_given_splits(tmp_path):
    for split, first in (("train", 0), ("val", 10), ("test", 18)):
        for number in range(first, first + 12):  # some in two splits
            folder = tmp_path / split / CLASSES[number % 3]
            folder.mkdir(parents=True, exist_ok=True)
            photo(number).save(folder / f"{number}.png")
    decoded, streamed = both(recipe(tmp_path))
    assert decoded.files["repeated"] == 6
    assert streamed.fingerprint == decoded.fingerprint
    np.testing.assert_array_equal(streamed.mean, decoded.mean)
    np.testing.assert_array_equal(streamed.held_out, decoded.held_out)
    np.testing.assert_array_equal(streamed.test.images[:], decoded.test.images)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 50),
    index=st.integers(0, 4),
    batch_size=st.sampled_from([2, 7, 8]),
    resize=st.sampled_from(["squash", "crop", "pad"]),
    augment=st.sampled_from(["none", "crop-flip", "resized-crop"]),
    mixup=st.sampled_from([0.0, 0.4]),
)
def test_batches_are_those_of_decoded_images(
    photos, seed, epoch, index, batch_size, resize, augment, mixup
):
    made = recipe(
        photos,
        seed=seed,
        batch_size=batch_size,
        resize=resize,
        augment=augment,
        mixup=mixup,
    )
    decoded, streamed = (
        made_batches(made, dataset, epoch=epoch, workers=0) for dataset in both(made)
    )
    for ours, theirs in zip(streamed[index], decoded[index], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # From anywhere: what was asked before makes no difference.
    again = made_batches(made, datasets.load_for(made, stream=True), workers=0)
    again[0]
    again.begin(epoch, index)
    for ours, theirs in zip(again[0], decoded[index], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "named",
    [
        {"classes": "é,a & b"},
        {"classes": "c,é", "limit": 20, "channels": 1},
        {"limit": 25, "cutmix": 1.0},
        {"validation": 0.3, "test_fraction": 0.4, "randaugment": 5},
    ],
)
def test_parts_of_the_dataset_are_those_of_decoded_images(photos, named):
    made = recipe(photos, **named)
    decoded, streamed = both(made)
    assert isinstance(streamed.train.images, StreamedImages)
    assert streamed.class_names == decoded.class_names
    assert streamed.fingerprint == decoded.fingerprint
    np.testing.assert_array_equal(streamed.mean, decoded.mean)
    np.testing.assert_array_equal(streamed.std, decoded.std)
    parts = [partition(dataset, made) for dataset in (streamed, decoded)]
    for part in ("train", "validation", "test"):
        ours, theirs = (getattr(one, part) for one in parts)
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        ours, theirs = (
            evaluation_batches(made, dataset, one, workers=0)[0]
            for dataset, one in ((streamed, ours), (decoded, theirs))
        )
        for found, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(found, expected)
    batches = [made_batches(made, one, workers=0) for one in (streamed, decoded)]
    for index in range(len(batches[1])):
        for ours, theirs in zip(*(one[index] for one in batches), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_processes_makes_no_difference(photos, workers):
    made = recipe(photos, randaugment=9, random_erasing=0.5)
    decoded, streamed = both(made)
    alone = made_batches(made, decoded, workers=0)
    helped = made_batches(made, streamed, workers=workers)
    for batches in (alone, helped):
        batches.begin(0, 3)  # inside an epoch
    for _ in range(2):
        assert len(helped) == len(alone)
        for index in range(len(alone)):
            for ours, theirs in zip(helped[index], alone[index], strict=True):
                np.testing.assert_array_equal(ours, theirs)
        for batches in (alone, helped):
            batches.on_epoch_end()
    for dataset in (decoded, streamed):
        subset = partition(dataset, made).validation
        one = evaluation_batches(made, dataset, subset)[0]
        two = evaluation_batches(made, decoded, subset, workers=0)[0]
        for ours, theirs in zip(one, two, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_stopped_process_is_one_line(photos, monkeypatch, number):
    monkeypatch.setattr(pool, "HUNG_AFTER_S", 3.0)
    made = recipe(photos)
    batches = made_batches(made, datasets.load_for(made, stream=True), workers=2)
    batches[0]
    processes = [worker._process for worker in batches._making._workers]
    os.kill(processes[1].pid, number)
    began = time.monotonic()
    with pytest.raises(ProcessEnded, match="worker 2 of 2") as error:
        for index in range(1, 5):
            batches[index]
    assert time.monotonic() - began < 60
    assert "\n" not in str(error.value)
    assert not any(process.is_alive() for process in processes)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_changes_is_one_line(tmp_path, workers):
    for number in range(12):
        folder = tmp_path / CLASSES[number % 3]
        folder.mkdir(exist_ok=True)
        photo(number).save(folder / f"{number}.png")
    made = recipe(tmp_path, batch_size=2)
    batches = made_batches(made, datasets.load_for(made, stream=True), workers=workers)
    for file in tmp_path.rglob("*.png"):
        photo(99).resize((9, 9)).save(file)
    with pytest.raises(DatasetError, match=r"png cannot be read: it has changed") as e:
        for index in range(4):
            batches[index]
    assert "\n" not in str(e.value)


def test_streams_where_memory_and_disk_have_no_room(photos, monkeypatch):
    made = recipe(photos, image_size=40)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "decoded_fit", lambda *_: False)
        assert isinstance(datasets.load_for(made).train.images, StreamedImages)
    # Evaluation and figures go the way of training.
    assert isinstance(datasets.load_for(made).train.images, StreamedImages)
    decoded = datasets.load_for(made, stream=False)
    assert isinstance(decoded.train.images, np.ndarray)
    assert isinstance(datasets.load_for(made).train.images, np.ndarray)


@pytest.mark.parametrize(
    ("free", "disk", "fit"),
    [(1e9, 3e5, False), (1e9, 4e5, True), (1e5, 4e5, False), (1e5, 7e5, True)],
)
def test_room_is_needed_once_on_disk_and_again_where_it_stands_in_for_memory(
    monkeypatch, free, disk, fit
):
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    usage = type("Usage", (), {"free": disk})
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: usage)
    assert memory.decoded_fit(100, 32, 3) is fit  # 307,200 bytes


def test_no_room_for_the_levels_is_one_line(photos, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DatasetError, match="No space left") as error:
        datasets.load_for(recipe(photos, image_size=48), stream=True)
    assert "\n" not in str(error.value)


def test_a_damaged_record_is_made_anew(photos, user_cache):
    made = recipe(photos, image_size=56)
    before = datasets.load_for(made, stream=True)
    (levels,) = user_cache.glob("*-streamed/train_levels.npy")
    data = bytearray(levels.read_bytes())
    data[-1] ^= 1
    levels.write_bytes(data)
    after = datasets.load_for(made, stream=True)
    np.testing.assert_array_equal(after.mean, before.mean)
    assert after.fingerprint == before.fingerprint


def test_only_files_are_streamed():
    with pytest.raises(DatasetError, match="own images"):
        datasets.load("digits", stream=True)
