import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.datasets import Dataset, Split, partition
from kerasnets.datasets.dataset import statistics
from kerasnets.datasets.splits import of_classes
from kerasnets.errors import DatasetError
from kerasnets.recipe import Recipe


def make(labels, test_images=6) -> Dataset:
    def split(labels):
        labels = np.asarray(labels, np.int64)
        return Split(np.zeros((len(labels), 2, 2, 1), np.uint8), labels)

    test = split(np.arange(test_images) % 2)
    names = tuple("abcdefghij")
    return Dataset("made", split(labels), test, names, np.zeros(1), np.ones(1), "", "")


def recipe(**named) -> Recipe:
    return Recipe.for_paper("resnet18", "made", **named)


CLASS_SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@given(CLASS_SIZES, st.floats(0.02, 0.9), st.integers(0, 2**32 - 1))
def test_training_and_validation_are_the_train_split(sizes, fraction, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    held_out = round(fraction * len(labels))
    wanted = recipe(validation=fraction, seed=seed)
    if not 0 < held_out <= len(labels) - len(sizes):
        with pytest.raises(DatasetError, match="validation fraction"):
            partition(make(labels), wanted)
        return
    parts = partition(make(labels), wanted)
    together = np.concatenate([parts.train.indices, parts.validation.indices])
    assert sorted(together) == list(range(len(labels)))
    assert len(parts.validation) == held_out
    assert len(parts.test) == 6
    # Every class is trained on, and validated on wherever that is possible.
    assert set(parts.train.labels) == set(labels)
    if held_out >= len(sizes):
        several = {label for label, size in enumerate(sizes) if size > 1}
        assert set(parts.validation.labels) == several


@given(st.integers(4, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_proportions_are_kept(per_class, classes, seed):
    labels = np.tile(np.arange(classes), per_class)
    parts = partition(make(labels), recipe(validation=0.25, seed=seed))
    counts = np.bincount(parts.validation.labels, minlength=classes)
    assert np.ptp(counts) <= 1


@given(CLASS_SIZES, st.data())
def test_limit_takes_every_class(sizes, data):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    limit = data.draw(st.integers(len(sizes), len(labels)))
    parts = partition(make(labels), recipe(limit=limit, validation="test"))
    assert len(parts.train) == limit
    assert len(set(parts.train.indices)) == limit
    assert set(parts.train.labels) == set(labels)


def test_limit_comes_before_validation():
    parts = partition(make(np.arange(100) % 10), recipe(limit=50, validation=0.2))
    assert (len(parts.train), len(parts.validation)) == (40, 10)
    assert not set(parts.train.indices) & set(parts.validation.indices)


def test_monitoring_the_test_split_keeps_all_training_images():
    parts = partition(make(np.arange(20) % 10), recipe(validation="test"))
    assert len(parts.train) == 20
    np.testing.assert_array_equal(parts.validation.labels, parts.test.labels)


def test_the_seed_decides():
    dataset = make(np.arange(100) % 10)

    def held_out(seed):
        return list(partition(dataset, recipe(seed=seed)).validation.indices)

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_some_classes_are_those_of_the_training_images():
    """Mean and deviation of some classes come from the same images as those of all."""
    labels = np.arange(30) % 3
    images = np.where(labels == 2, 9, 10 * labels).astype(np.uint8)
    images[15:] += 100  # the validation images
    made = dataclasses.replace(make([]), held_out=np.arange(15, 30))
    train = Split(images.reshape(-1, 1, 1, 1), labels)
    made = dataclasses.replace(made, train=train, test=train)
    some = of_classes(made, ["b", "a"])
    own = recipe().replace(dataset="/made", validation="split")
    learned = partition(some, own).train
    assert set(learned.indices) == {0, 1, 3, 4, 6, 7, 9, 10, 12, 13}
    mean, std = statistics(train.images, learned.indices)
    assert (some.mean, some.std) == (mean, std) == (5 / 255, pytest.approx(5 / 255))
    labels[:15] = 0
    with pytest.raises(DatasetError, match="no images of the class 'b' to train on"):
        of_classes(made, ["a", "b"])


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"limit": 101}, "limit 101 .* 100"),
        ({"limit": 9}, "limit 9 .* 10 .one image a class"),
        ({"validation": 0.001}, "0.001 of 100 images"),
        ({"validation": 0.99}, "a class without training images"),
        ({"limit": 10, "validation": 0.5}, "of 10 images"),
    ],
)
def test_impossible_requests(named, message):
    with pytest.raises(DatasetError, match=message):
        partition(make(np.arange(100) % 10), recipe(**named))
