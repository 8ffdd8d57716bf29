"""Random erasing is torchvision's; cutout is DeVries and Taylor's."""

import numpy as np

from kerasnets.datasets.pipeline.erasing import draw_cutout, draw_erasing, inside


def masks(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    return inside(boxes, np.arange(height), np.arange(width))


def test_erasing_hits_the_share_of_images_with_boxes_of_torchvisions_sizes():
    boxes = draw_erasing(20_000, 50, 40, 0.25, np.random.default_rng(0))
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas = heights * widths / (50 * 40)
    hit = areas > 0
    assert 0.24 < hit.mean() < 0.26
    assert 0.018 < areas[hit].min() < 0.025 and 0.3 < areas.max() < 0.35
    ratios = heights[hit] / widths[hit]
    assert 0.25 < ratios.min() < 0.4 and 2.7 < ratios.max() < 4
    assert boxes.min() >= 0 and boxes[:, 2].max() <= 50 and boxes[:, 3].max() <= 40
    covered = masks(boxes, 50, 40)
    np.testing.assert_array_equal(covered.sum(axis=(1, 2)), heights * widths)
    assert covered.any(axis=0).all()  # no place is spared


def test_never_and_always_erasing():
    rng = np.random.default_rng(0)
    assert not masks(draw_erasing(500, 32, 32, 0.0, rng), 32, 32).any()
    assert masks(draw_erasing(500, 32, 32, 1.0, rng), 32, 32).any(axis=(1, 2)).all()


def test_cutout_is_a_square_whose_centre_may_be_at_the_edge():
    boxes = draw_cutout(20_000, 32, 32, 16, np.random.default_rng(0))
    covered = masks(boxes, 32, 32)
    counts = covered.sum(axis=(1, 2))
    assert counts.max() == 16 * 16 and counts.min() == 8 * 8
    assert abs(counts.mean() - (16 * 14 / 16) ** 2) < 3
    middle, corner = covered[:, 16, 16].mean(), covered[:, 0, 0].mean()
    assert abs(middle - 0.25) < 0.02 and abs(corner - (9 / 32) ** 2) < 0.01
