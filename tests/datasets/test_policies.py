"""RandAugment, TrivialAugment and color jitter are torchvision's."""

import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from kerasnets.datasets.pipeline.operations import apply, operate
from kerasnets.datasets.pipeline.policies import (
    draw_color_jitter,
    draw_randaugment,
    draw_trivialaugment,
    randaugment_space,
    trivialaugment_space,
)

NAMES = list(trivialaugment_space())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(channels: int = 3, size: int = 24) -> Image.Image:
    shape = (size, size, channels) if channels > 1 else (size, size)
    return Image.fromarray(rng(3).integers(20, 200, shape, dtype=np.uint8))


def inverse_matrix(angle, translate, shear) -> list[float]:
    """torchvision's `_get_inverse_affine_matrix` about the upper left corner, at scale
    1."""
    rot = math.radians(angle)
    sx, sy = math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    tx, ty = translate
    return [d, -b, -d * tx + b * ty, -c, a, c * tx - a * ty]


def torchvision_op(image: Image.Image, name: str, strength: float) -> Image.Image:
    """torchvision's `_apply_op` on a Pillow image."""

    def affine(translate=(0, 0), shear=(0.0, 0.0)):
        matrix = inverse_matrix(0.0, translate, shear)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, 0)

    return {
        "Identity": lambda: image,
        "ShearX": lambda: affine(shear=(math.degrees(math.atan(strength)), 0.0)),
        "ShearY": lambda: affine(shear=(0.0, math.degrees(math.atan(strength)))),
        "TranslateX": lambda: affine((int(strength), 0)),
        "TranslateY": lambda: affine((0, int(strength))),
        "Rotate": lambda: image.rotate(strength),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(1 + strength),
        "Color": lambda: ImageEnhance.Color(image).enhance(1 + strength),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(1 + strength),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(1 + strength),
        "Posterize": lambda: ImageOps.posterize(image, int(strength)),
        "Solarize": lambda: ImageOps.solarize(image, strength),
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
    }[name]()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("magnitude", [9, 20, 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_operation_gives_the_pixels_of_torchvision(name, channels, magnitude):
    image = picture(channels)
    for space in (randaugment_space(24, 24), trivialaugment_space()):
        for sign in (1, -1):
            strength = sign * float(space[name][magnitude])
            if name in ("Posterize", "Solarize"):
                strength = abs(strength)
            np.testing.assert_array_equal(
                np.asarray(apply(image, name, strength)),
                np.asarray(torchvision_op(image, name, strength)),
            )


@pytest.mark.parametrize("threshold", [0.0, 99.5, 178.5, 178.0])
def test_solarize_inverts_pixels_from_the_threshold_on(threshold):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    inverted = np.asarray(apply(Image.fromarray(values), "Solarize", threshold))
    expected = np.where(values < threshold, values, 255 - values)
    np.testing.assert_array_equal(inverted, expected)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"Identity"}))
def test_every_operation_is_visible(name):
    image = picture()
    changed = apply(image, name, float(trivialaugment_space()[name][-1]))
    assert (np.asarray(changed) != np.asarray(image)).any()


def test_the_strengths_are_torchvisions():
    ours = randaugment_space(331, 662)
    assert ours["TranslateX"][-1] == pytest.approx(300)
    assert ours["TranslateY"][-1] == pytest.approx(150)
    assert ours["ShearX"][9] == pytest.approx(0.09)
    assert ours["Rotate"][9] == pytest.approx(9)
    assert ours["Brightness"][-1] == pytest.approx(0.9)
    bins = np.arange(31)
    np.testing.assert_array_equal(ours["Posterize"], 8 - np.round(bins / (30 / 4)))
    wide = trivialaugment_space()
    np.testing.assert_array_equal(wide["Posterize"], 8 - np.round(bins / (30 / 6)))
    assert (wide["TranslateX"][-1], wide["Rotate"][-1]) == (32, 135)
    assert (wide["Solarize"][0], wide["Solarize"][-1]) == (255, 0)


def test_randaugment_draws_two_of_fourteen_operations_of_one_strength():
    drawn = draw_randaugment(7000, 32, 32, 9, rng())
    assert {len(one) for one in drawn} == {2}
    counts = Counter(name for one in drawn for name, _ in one)
    assert set(counts) == set(NAMES)
    assert all(850 < count < 1150 for count in counts.values())
    rotations = [
        strength for one in drawn for name, strength in one if name == "Rotate"
    ]
    assert {round(abs(strength), 6) for strength in rotations} == {9}
    assert 0.4 < np.mean(np.array(rotations) > 0) < 0.6


def test_trivialaugment_draws_one_operation_of_any_strength():
    drawn = draw_trivialaugment(14_000, rng())
    assert {len(one) for one in drawn} == {1}
    rotations = [strength for [(name, strength)] in drawn if name == "Rotate"]
    assert len(np.unique(np.round(rotations, 3))) == 61  # 30 each way, and none
    solarized = [strength for [(name, strength)] in drawn if name == "Solarize"]
    assert min(solarized) == 0 and max(solarized) == 255


def test_color_jitter_draws_three_factors_in_every_order():
    drawn = draw_color_jitter(3000, 0.4, rng())
    orders = Counter(tuple(name for name, _ in one) for one in drawn)
    assert len(orders) == 6 and min(orders.values()) > 400
    factors = np.array([1 + strength for one in drawn for _, strength in one])
    assert 0.6 <= factors.min() < 0.61 and 1.39 < factors.max() <= 1.4
    assert min(1 + s for one in draw_color_jitter(500, 2.0, rng()) for _, s in one) >= 0


def test_each_image_undergoes_its_own_operations():
    images = np.stack([np.asarray(picture())] * 3)
    before = images.copy()
    changed = operate(images, [[("Identity", 0.0)], [("Rotate", 30.0)], []])
    np.testing.assert_array_equal(changed[0], images[0])
    np.testing.assert_array_equal(changed[2], images[2])
    assert (changed[1] != images[1]).any()
    np.testing.assert_array_equal(images, before)
