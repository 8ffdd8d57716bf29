"""MixUp and CutMix mix images and labels by the same shares."""

import numpy as np
import pytest

from kerasnets.datasets.pipeline.mixing import (
    Mix,
    draw_mix,
    mixed_images,
    mixed_labels,
)


def draws(mixup: float, cutmix: float, count: int = 3000) -> list[Mix]:
    rng = np.random.default_rng(0)
    return [draw_mix(20, 30, mixup, cutmix, 10, rng) for _ in range(count)]


def test_mixup_draws_shares_from_a_beta_distribution():
    shares = np.array([one.share for one in draws(0.2, 0)])
    assert all(one.box is None for one in draws(0.2, 0, 10))
    assert abs(shares.mean() - 0.5) < 0.03
    assert shares.var() == pytest.approx(0.25 / (2 * 0.2 + 1), rel=0.05)


def test_cutmix_shares_are_what_its_boxes_leave():
    made = draws(0, 1.0)
    for one in made:
        top, left, bottom, right = one.box
        assert 0 <= top <= bottom <= 20 and 0 <= left <= right <= 30
        left_over = 1 - (bottom - top) * (right - left) / (20 * 30)
        assert one.share == pytest.approx(left_over)
    assert min(one.share for one in made) < 0.2 and max(one.share for one in made) == 1


def test_with_both_a_batch_undergoes_one_of_them():
    cut = np.mean([one.box is not None for one in draws(0.2, 1.0)])
    assert 0.46 < cut < 0.54


def test_images_are_mixed_with_the_one_before():
    images = np.zeros((3, 2, 2, 1), np.float32)
    images[:, ..., 0] = np.array([1, 10, 100])[:, None, None]
    mixed = mixed_images(images.copy(), Mix(0.75, 5))
    np.testing.assert_allclose(mixed[:, 0, 0, 0], [0.75 + 25, 7.5 + 0.25, 75 + 2.5])
    cut = mixed_images(images.copy(), Mix(0.75, 5, (0, 1, 1, 2)))
    np.testing.assert_array_equal(cut[1, ..., 0], [[10, 1], [10, 10]])
    np.testing.assert_array_equal(cut[0, ..., 0], [[1, 100], [1, 1]])


def test_labels_are_shares_of_the_classes():
    shares = mixed_labels(np.array([2, 0, 0]), Mix(0.75, 3))
    np.testing.assert_array_equal(shares, [[0.25, 0, 0.75], [0.75, 0, 0.25], [1, 0, 0]])
    assert shares.dtype == np.float32
