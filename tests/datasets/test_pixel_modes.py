"""Every mode in which Pillow opens an image, as 8-bit grey and color."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasnets.datasets.images import as_array, decode

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
RAMP = np.arange(16, dtype=np.uint16) * 4369  # 0 ... 65535
EIGHT_BITS = np.arange(16) * 17  # 0 ... 255
COLORS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
# How far a mode is from RGB when it has been converted to it and back.
ROUNDING = {
    "RGBA": 0,
    "RGBX": 0,
    "RGBa": 0,
    "CMYK": 0,
    "YCbCr": 3,
    "HSV": 6,
    "LAB": 20,
}


def ramp(mode: str) -> Image.Image:
    if mode == "I":
        return Image.fromarray(RAMP.reshape(4, 4).astype(np.int32))
    order = ">u2" if mode == "I;16B" else "<u2"
    return Image.frombytes(mode, (4, 4), RAMP.astype(order).tobytes())


def grey(image: Image.Image) -> np.ndarray:
    return as_array(image, image.width, 1)[..., 0]


@pytest.mark.parametrize("mode", SIXTEEN_BITS)
def test_sixteen_bits_scale(mode):
    image = ramp(mode)
    assert image.mode == mode
    assert list(grey(image).ravel()) == list(EIGHT_BITS)
    color = as_array(image, 4, 3)
    assert (color == color[..., :1]).all()
    assert list(color[..., 0].ravel()) == list(EIGHT_BITS)


def test_a_sixteen_bit_file_scales():
    buffer = io.BytesIO()
    ramp("I;16").save(buffer, "PNG")
    array, form = decode(buffer.getvalue(), 4, 1)
    assert (list(array.ravel()), form) == (list(EIGHT_BITS), "PNG")


def test_every_sixteen_bit_value_is_the_nearest_of_eight():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.round(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(grey(Image.fromarray(values)), expected)


@pytest.mark.parametrize("values", [[0, 65536], [-1, 255], [-(2**31), 2**31 - 1]])
def test_whole_numbers_without_a_white_are_refused(values):
    image = Image.fromarray(np.array([values] * 2, np.int32))
    with pytest.raises(ValueError, match="not from 0 to 65535"):
        as_array(image, 2, 1)


@pytest.mark.parametrize("white", [1, 255, 1e6])
def test_fractions_are_refused(white):
    image = Image.fromarray(np.linspace(0, white, 4, dtype=np.float32).reshape(2, 2))
    with pytest.raises(ValueError, match="fractions"):
        as_array(image, 2, 3)


@pytest.mark.parametrize("mode", ROUNDING)
def test_color_modes_are_the_color_that_they_mean(mode):
    image = Image.fromarray(COLORS)
    for step in {"RGBa": ("RGBA", "RGBa")}.get(mode, (mode,)):
        image = image.convert(step)
    assert image.mode == mode
    color = as_array(image, 8, 3).astype(int)
    assert np.abs(color - COLORS).max() <= ROUNDING[mode]
    luminance = COLORS @ [0.299, 0.587, 0.114]
    assert np.abs(grey(image) - luminance).max() <= ROUNDING[mode] + 1


@pytest.mark.parametrize("mode", ["L", "LA", "La", "P", "PA"])
def test_grey_modes_are_the_grey_that_they_mean(mode):
    values = EIGHT_BITS.astype(np.uint8).reshape(4, 4)
    image = Image.fromarray(values)
    for step in {"La": ("LA", "La"), "PA": ("P", "PA")}.get(mode, (mode,)):
        image = image.convert(step)
    assert image.mode == mode
    np.testing.assert_array_equal(grey(image), values)
    np.testing.assert_array_equal(as_array(image, 4, 3)[..., 1], values)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_premultiplied_colors_are_what_they_were_before(mode):
    bands = [Image.fromarray(COLORS[..., 0])] * (len(mode) - 1)
    half = Image.new("L", (8, 8), 128)
    image = Image.merge(mode, [*bands, half]).convert(mode[:-1] + "a")
    np.testing.assert_allclose(grey(image), COLORS[..., 0], atol=2)


def test_one_bit_is_black_and_white():
    checks = np.indices((4, 4)).sum(axis=0) % 2 == 0
    image = Image.fromarray(checks)
    assert image.mode == "1"
    np.testing.assert_array_equal(grey(image), np.where(checks, 255, 0))


def test_no_mode_is_left_out():
    tried = {*SIXTEEN_BITS, *ROUNDING, "F", "L", "LA", "La", "P", "PA", "1", "RGB"}
    assert set(Image.MODES) <= tried
