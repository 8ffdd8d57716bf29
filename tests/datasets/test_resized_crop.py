"""The resized crop is torchvision's RandomResizedCrop."""

import math

import numpy as np
from PIL import Image

from kerasnets.datasets.pipeline import augment
from kerasnets.datasets.pipeline.resized_crop import crop_and_resize, draw_boxes


def boxes_of(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return draw_boxes(count, height, width, np.random.default_rng(seed))


def images_of(count: int, height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def test_parts_lie_in_the_image_and_have_the_areas_and_ratios_of_torchvision():
    top, left, bottom, right = boxes_of(20_000, 100, 100).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (bottom <= 100).all() and (right <= 100).all()
    heights, widths = bottom - top, right - left
    areas, ratios = heights * widths / 100**2, widths / heights
    assert 0.075 < areas.min() < 0.085 and areas.max() > 0.98
    assert 0.72 < ratios.min() < 0.76 and 1.32 < ratios.max() < 1.4
    assert abs(np.log(ratios).mean()) < 0.01  # as wide as tall, in the mean


def test_areas_follow_torchvisions_own_loop():
    """Its `get_params`, written out, has the same quantiles."""
    rng = np.random.default_rng(5)

    def one() -> float:
        for _ in range(10):
            area = 60 * 60 * rng.uniform(0.08, 1)
            ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
            width = round(math.sqrt(area * ratio))
            height = round(math.sqrt(area / ratio))
            if 0 < width <= 60 and 0 < height <= 60:
                return width * height
        return 60 * 60

    theirs = [one() for _ in range(20_000)]
    top, left, bottom, right = boxes_of(20_000, 60, 60).T
    ours = (bottom - top) * (right - left)
    shares = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(
        np.quantile(ours, shares), np.quantile(theirs, shares), rtol=0.05
    )


def test_positions_are_uniform():
    top, _, bottom, _ = boxes_of(20_000, 64, 64).T
    free = 64 - (bottom - top)
    at = top[free > 20] / free[free > 20]
    np.testing.assert_allclose(
        np.quantile(at, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02
    )
    assert at.min() == 0 and at.max() == 1


def test_where_no_part_fits_it_is_the_largest_in_the_middle():
    # 100 times as wide as tall: an allowed ratio needs almost none of the area.
    np.testing.assert_array_equal(
        boxes_of(50, 2, 200), np.tile([0, 98, 2, 101], (50, 1))
    )


def test_a_part_is_resized_as_pillow_resizes_what_was_cut_out():
    for channels in (1, 3):
        images = images_of(3, 12, 10, channels)
        boxes = np.array([[0, 0, 12, 10], [2, 3, 7, 9], [11, 9, 12, 10]])
        resized = crop_and_resize(images, boxes)
        for image, (top, left, bottom, right), ours in zip(
            images, boxes.tolist(), resized, strict=True
        ):
            whole = Image.fromarray(image.squeeze())
            part = whole.crop((left, top, right, bottom))
            theirs = np.asarray(part.resize((10, 12), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(ours.squeeze(), theirs)
        np.testing.assert_array_equal(resized[0], images[0])  # all of it


def test_half_of_the_crops_are_flipped():
    rng = np.random.default_rng(0)
    changes = augment.draw("resized-crop", 2000, rng, (8, 8))
    assert 0.45 < changes.flipped.mean() < 0.55
    # Left darker than right, before and after any crop.
    images = np.tile(np.arange(0, 240, 30, dtype=np.uint8)[:, None], (2000, 8, 1, 1))
    changed = augment.change(images, changes).astype(int)
    mirrored = changed[:, 0, 0, 0] > changed[:, 0, -1, 0]
    wide = changes.boxes[:, 3] - changes.boxes[:, 1] > 1
    np.testing.assert_array_equal(mirrored[wide], changes.flipped[wide])
