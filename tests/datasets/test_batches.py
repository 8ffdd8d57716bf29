import os
import subprocess
from functools import partial

import keras
import numpy as np
import pytest
import warm_python
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.datasets import Dataset, Split, Subset
from kerasnets.datasets.dataset import statistics
from kerasnets.datasets.pipeline.batches import (
    Batches,
    evaluation_batches,
    training_batches,
)
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(50)  # tells images apart
    split = Split(images, np.arange(50) % 10)
    mean, std = statistics(images)
    return Dataset("made", split, split, tuple("abcdefghij"), mean, std, "", "")


def recipe(**named) -> Recipe:
    named = {"batch_size": 8, "augment": "none", "normalize": "unit", **named}
    return Recipe.for_paper("resnet18", "made", **named)


def all_rows(dataset) -> Subset:
    return Subset(dataset.train, np.arange(len(dataset.train)))


def end_epoch(batches) -> None:
    for index in range(len(batches)):
        _ = batches[index]
    batches.on_epoch_end()


def which(images) -> list[int]:
    return [round(float(image[0, 0, 0]) * 255) for image in images]


def test_training_sees_every_image_once_in_another_order_each_epoch(dataset):
    batches = training_batches(recipe(), dataset, all_rows(dataset))
    orders = []
    for _ in range(2):
        assert len(batches) == 7
        rows = [
            row
            for images, _ in map(batches.__getitem__, range(7))
            for row in which(images)
        ]
        assert sorted(rows) == list(range(50))
        orders.append(rows)
        end_epoch(batches)
    assert orders[0] != orders[1]
    assert orders[0] != list(range(50))


def test_images_and_labels_stay_together(dataset):
    images, labels = training_batches(recipe(), dataset, all_rows(dataset))[3]
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert images.shape == (8, 8, 8, 3)
    np.testing.assert_array_equal(labels, np.array(which(images)) % 10)


@given(
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(0, 2**32 - 1),
    st.sampled_from(("none", "flip", "crop-flip")),
)
def test_a_batch_depends_on_seed_epoch_and_number_alone(epoch, index, seed, augment):
    rng = np.random.default_rng(1)
    split = Split(rng.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8), np.arange(50))
    made = Dataset("made", split, split, ("a",), np.zeros(1), np.ones(1), "", "")
    wanted = recipe(augment=augment, seed=seed)
    straight = training_batches(wanted, made, all_rows(made), epoch=epoch)
    wandering = training_batches(wanted, made, all_rows(made))
    for _ in range(epoch):
        _ = wandering[0], wandering[5]
        end_epoch(wandering)
    for one, other in zip(straight[index], wandering[index], strict=True):
        np.testing.assert_array_equal(one, other)


def test_augmentation_differs_between_epochs_and_batches(dataset):
    same = Subset(dataset.train, np.zeros(16, np.int64))
    batches = training_batches(recipe(augment="crop-flip"), dataset, same)
    first, second = batches[0][0], batches[1][0]
    end_epoch(batches)
    third = batches[0][0]
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_evaluation_is_in_order_and_never_augmented(dataset):
    wanted = recipe(augment="crop-flip")
    batches = evaluation_batches(wanted, dataset, all_rows(dataset), batch_size=32)
    images = np.concatenate([batches[k][0] for k in range(len(batches))])
    np.testing.assert_allclose(images, dataset.test.images / 255, rtol=1e-6)
    end_epoch(batches)
    np.testing.assert_array_equal(batches[0][0], images[:25])


def test_an_evaluation_has_batches_of_one_size_where_it_can(dataset):
    def sizes(most: int) -> set[int]:
        batches = evaluation_batches(
            recipe(), dataset, all_rows(dataset), batch_size=most
        )
        return {len(batches[k][1]) for k in range(len(batches))}

    count = len(all_rows(dataset))
    assert count == 50
    assert sizes(32) == {25}
    assert sizes(24) == {24, 2}  # nothing from 13 to 24 divides 50
    assert sizes(64) == {50}


def test_standardized_images_have_mean_zero_and_deviation_one(dataset):
    batches = evaluation_batches(
        recipe(normalize="standardize"), dataset, all_rows(dataset)
    )
    images = batches[0][0]
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_a_constant_channel_stays_small():
    split = Split(np.full((4, 2, 2, 1), 200, np.uint8), np.zeros(4, np.int64))
    mean, std = statistics(split.images)
    made = Dataset("made", split, split, ("a",), mean, std, "", "")
    wanted = recipe(normalize="standardize")
    images, _ = evaluation_batches(wanted, made, all_rows(made))[0]
    np.testing.assert_allclose(images, 0, atol=1e-3)


def test_channels_first(dataset):
    before = evaluation_batches(recipe(), dataset, all_rows(dataset))[0][0]
    keras.config.set_image_data_format("channels_first")
    try:
        after = evaluation_batches(recipe(), dataset, all_rows(dataset))[0][0]
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(after, before.transpose(0, 3, 1, 2))


def test_a_single_image_is_no_training_batch(dataset):
    # Batch normalization has no variance of one 1x1 map.
    subset = Subset(dataset.train, np.arange(49))
    batches = training_batches(recipe(), dataset, subset)
    assert len(batches) == 6
    assert len(evaluation_batches(recipe(), dataset, subset, batch_size=8)) == 7
    assert len(training_batches(recipe(batch_size=1), dataset, subset)) == 49


def test_a_batch_larger_than_the_data_is_refused(dataset):
    with pytest.raises(RecipeError, match="batch_size 51 is more than the 50"):
        training_batches(recipe(batch_size=51), dataset, all_rows(dataset))


def test_iterating_ends(dataset):
    batches = Batches(all_rows(dataset), batch_size=20, scale=[1] * 3, offset=[0] * 3)
    with pytest.raises(IndexError):
        batches[3]


def test_a_short_batch_is_filled_up_with_blank_images_of_weight_0(dataset):
    make = partial(training_batches, recipe(augment="crop-flip"), dataset)
    filled = make(all_rows(dataset), fill=True)
    short = make(all_rows(dataset))
    assert len(filled) == len(short) == 7
    for index in range(7):
        images, labels, weights = filled[index]
        assert len(images) == len(labels) == len(weights) == 8
        count = len(short[index][1])
        assert count == (2 if index == 6 else 8)
        for ours, theirs in zip((images, labels), short[index], strict=True):
            np.testing.assert_array_equal(ours[:count], theirs)
        assert weights.dtype == np.float32
        assert weights.tolist() == [8 / count] * count + [0] * (8 - count)


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_any_backend_trains_on_them(backend):
    pytest.importorskip(backend)
    code = (
        "import sys\n"
        "from kerasnets import datasets\n"
        "from kerasnets.recipe import Recipe\n"
        "recipe = Recipe.for_paper('resnet18', 'digits', image_size=8, limit=100)\n"
        "dataset = datasets.load('digits', image_size=8)\n"
        "parts = datasets.partition(dataset, recipe)\n"
        "from kerasnets.datasets.pipeline.batches import training_batches\n"
        "recipe = Recipe.for_paper('resnet18', 'digits', image_size=8, batch_size=32)\n"
        "batches = training_batches(recipe, dataset, parts.train)\n"
        "import keras\n"
        "layers = [keras.layers.Flatten(), keras.layers.Dense(10)]\n"
        "model = keras.Sequential(layers)\n"
        "model.compile('sgd', 'sparse_categorical_crossentropy')\n"
        "model.fit(batches, epochs=2, verbose=0)\n"
        "assert batches.epoch == 2\n"  # although Keras ends one epoch more
        "print(keras.backend.backend(), 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [warm_python.executable(backend), "-c", code],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # No other backend may load TensorFlow.
    assert result.stdout.split() == [backend, str(backend == "tensorflow")]
