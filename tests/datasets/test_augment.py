import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kerasnets.datasets.pipeline import augment

IMAGES = arrays.arrays(
    np.uint8,
    st.tuples(
        st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.sampled_from((1, 3))
    ),
)
SEEDS = st.integers(0, 2**32 - 1)


def augmented(images, kind: str, seed: int):
    rng = np.random.default_rng(seed)
    return augment.change(images, augment.draw(kind, len(images), rng))


@given(IMAGES, SEEDS)
def test_flip_keeps_each_image_or_mirrors_it(images, seed):
    before = images.copy()
    flipped = augmented(images, "flip", seed)
    assert flipped.dtype == np.uint8
    for image, result in zip(images, flipped, strict=True):
        assert (result == image).all() or (result == image[:, ::-1]).all()
    np.testing.assert_array_equal(images, before)


@given(IMAGES, SEEDS)
def test_flip_twice_is_nothing(images, seed):
    once = augmented(images, "flip", seed)
    twice = augmented(once, "flip", seed)
    np.testing.assert_array_equal(twice, images)


def test_half_of_the_images_are_flipped():
    images = np.tile(np.array([0, 1], np.uint8).reshape(1, 1, 2, 1), (4000, 1, 1, 1))
    flipped = augmented(images, "flip", 0)
    assert 0.45 < flipped[:, 0, 0, 0].mean() < 0.55


@given(IMAGES)
def test_the_middle_crop_is_the_image(images):
    middle = np.full((len(images), 2), 4)
    np.testing.assert_array_equal(augment.crop_at(images, middle, 4), images)


@given(IMAGES, st.data())
def test_a_crop_moves_the_image_over_zeros(images, data):
    dy, dx = data.draw(st.tuples(st.integers(0, 8), st.integers(0, 8)))
    offsets = np.tile([dy, dx], (len(images), 1))
    cropped = augment.crop_at(images, offsets, 4)
    assert cropped.shape == images.shape
    _, height, width, _ = images.shape
    for y in range(height):
        for x in range(width):
            row, column = y + dy - 4, x + dx - 4
            inside = 0 <= row < height and 0 <= column < width
            expected = images[:, row, column] if inside else 0
            np.testing.assert_array_equal(cropped[:, y, x], expected)


@given(IMAGES, SEEDS)
def test_augmented_values_come_from_the_image_or_the_border(images, seed):
    before = images.copy()
    changed = augmented(images, "crop-flip", seed)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    for image, result in zip(images, changed, strict=True):
        assert set(np.unique(result)) <= {0, *np.unique(image)}
    np.testing.assert_array_equal(images, before)


def test_every_offset_occurs():
    images = np.zeros((5000, 1, 1, 1), np.uint8) + 1
    # A single pixel stays only where the crop is centered: once in 81.
    cropped = augmented(images, "crop-flip", 0)
    assert 5000 / 81 / 2 < cropped.sum() < 5000 / 81 * 2


def test_none_leaves_images_alone():
    images = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    same = augmented(images, "none", 0)
    np.testing.assert_array_equal(same, images)
