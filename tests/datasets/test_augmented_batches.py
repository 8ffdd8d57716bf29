"""Every augmentation of the recipe: its law, its effect, and the same on a device."""

from functools import partial

import keras
import numpy as np
import pytest

from kerasnets.datasets import Dataset, Split, Subset
from kerasnets.datasets.pipeline.batches import evaluation_batches, training_batches
from kerasnets.datasets.pipeline.torch_pixels import TorchPixels
from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe

OPTIONS = [
    {"augment": "resized-crop"},
    {"randaugment": 9},
    {"trivialaugment": True},
    {"color_jitter": 0.4},
    {"random_erasing": 0.5},
    {"cutout": 4},
    {"mixup": 0.4},
    {"cutmix": 1.0},
]
ALL = {
    "augment": "resized-crop",
    "randaugment": 9,
    "color_jitter": 0.4,
    "random_erasing": 0.5,
    "cutout": 4,
    "mixup": 0.4,
    "cutmix": 1.0,
}
by_name = pytest.mark.parametrize(
    "options", [*OPTIONS, ALL], ids=lambda options: "-".join(options)
)


@pytest.fixture(scope="module", params=[1, 3])
def dataset(request) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(30, 226, (30, 12, 12, request.param), dtype=np.uint8)
    split = Split(images, np.arange(30) % 5)
    middle = np.full(request.param, 0.5)
    return Dataset("made", split, split, tuple("abcde"), middle, middle, "", "")


def recipe(**named) -> Recipe:
    named = {"batch_size": 8, "augment": "none", "normalize": "standardize"} | named
    return Recipe.for_paper("resnet18", "made", **named)


def batches(dataset, options, **named):
    subset = Subset(dataset.train, np.arange(3, 30))
    return training_batches(recipe(**options), dataset, subset, **named)


def assert_same(one, other) -> None:
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@by_name
def test_a_batch_depends_on_seed_epoch_and_number_alone(dataset, options):
    straight = batches(dataset, options, epoch=2)
    wandering = batches(dataset, options)
    _ = wandering[3], wandering[1]
    wandering.begin(2, first=1)
    for index in range(3):
        assert_same(straight[index + 1], wandering[index])
    other_seed = batches(dataset, {**options, "seed": 1}, epoch=2)
    assert (other_seed[1][0] != straight[1][0]).any()


@by_name
def test_it_changes_training_images_and_no_others(dataset, options):
    plain, changed = batches(dataset, {}), batches(dataset, options)
    assert any((plain[k][0] != changed[k][0]).any() for k in range(4))
    subset = Subset(dataset.train, np.arange(3, 30))
    ours = evaluation_batches(recipe(**options), dataset, subset)[0]
    assert_same(ours, evaluation_batches(recipe(), dataset, subset)[0])


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: "-".join(option))
def test_the_same_images_are_drawn_whatever_else_is_asked_for(dataset, option):
    """So that two recipes differ by the option alone."""
    if "augment" in option:
        return
    plain, changed = batches(dataset, {"augment": "flip"}), None
    changed = batches(dataset, {"augment": "flip", **option})
    size = 8, 12, 12, 0, 0, 1
    ours, theirs = (one.augmentation.draw(*size) for one in (plain, changed))
    np.testing.assert_array_equal(ours.flipped, theirs.flipped)


@by_name
@pytest.mark.parametrize("free_bytes", [0, 10**6])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_device_makes_the_same_batches(dataset, options, free_bytes, data_format):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        on_device = partial(TorchPixels, device="cpu", free_bytes=free_bytes)
        theirs = batches(dataset, options)
        ours = batches(dataset, options, place=on_device)
        for index in range(4):
            assert_same([one.numpy() for one in ours[index]], theirs[index])
    finally:
        keras.config.set_image_data_format(before)


def test_mixed_labels_sum_to_one_also_in_a_batch_that_is_filled_up(dataset):
    made = batches(dataset, {"mixup": 0.4}, fill=True)
    images, labels, weights = made[3]
    assert labels.shape == (8, 5) and labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(axis=1), weights > 0, rtol=1e-6)
    assert_same((images[:3], labels[:3]), batches(dataset, {"mixup": 0.4})[3])


def test_what_is_erased_is_the_mean(dataset):
    for option in ({"random_erasing": 1.0}, {"cutout": 4}):
        images, _ = batches(dataset, option)[0]
        assert (images == 0).any(axis=(1, 2, 3)).all()
        assert (batches(dataset, {})[0][0] != 0).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"randaugment": 31}, "randaugment must be a whole number from 0"),
        ({"randaugment": 1.5}, "randaugment must be a whole number, not 1.5"),
        ({"randaugment": 9, "trivialaugment": True}, "contradicts trivialaugment"),
        ({"color_jitter": -1.0}, "color_jitter must be at least 0, not -1"),
        ({"random_erasing": 1.5}, "random_erasing must be from 0 to 1, not 1.5"),
        ({"cutout": 32}, "cutout must be smaller than the image's 32 pixels, not 32"),
        ({"mixup": float("nan")}, "mixup must be at least 0, not nan"),
        ({"mixup": 0.2, "batch_size": 1}, "need a batch_size of at least 2"),
        ({"cutmix": 0.2, "batch_size": 1}, "need a batch_size of at least 2"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(options, says):
    with pytest.raises(RecipeError) as error:
        recipe(**options)
    assert says in str(error.value) and "\n" not in str(error.value)
