"""Image files from elsewhere, one at a time."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from kerasnets.datasets.images import FORMATS, LARGEST, decode
from kerasnets.errors import InstallationError


def encoded(form, *, size=(9, 7), **options) -> bytes:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    sums = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + sums


def png_of(width: int, height: int) -> bytes:
    """A PNG of some bytes that declares any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", FORMATS)
def test_whole_files_are_read(form):
    array, told = decode(encoded(form), 4, 3)
    assert (array.shape, array.dtype, told) == ((4, 4, 3), np.uint8, form)


@pytest.mark.parametrize("size", [(8001, 8000), (100_000, 100_000), (2**31 - 1, 1)])
def test_a_bomb_is_not_unpacked(size):
    with pytest.raises(ValueError, match=f"more than {LARGEST} million pixels"):
        decode(png_of(*size), 32, 1)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(form):
    frames = [Image.new("RGB", (9, 7), (shade, 0, 0)) for shade in (0, 255)]
    data = encoded(form, save_all=True, append_images=frames)
    with pytest.raises(ValueError, match="animated"):
        decode(data, 4, 3)


@pytest.mark.parametrize("form", FORMATS)
def test_truncated_files_are_refused(form):
    data = encoded(form, size=(64, 64))
    for keep in (0, 10, len(data) // 2):
        with pytest.raises(ValueError) as caught:
            decode(data[:keep], 32, 3)
        assert len(str(caught.value).splitlines()) == 1


def test_a_tiff_whose_strips_end_early_is_refused():
    data = encoded("TIFF", size=(20, 20))
    assert decode(data, 20, 3)[0].shape == (20, 20, 3)
    height = struct.pack("<HHII", 257, 4, 1, 20), struct.pack("<HHII", 257, 4, 1, 40)
    assert data.count(height[0]) == 1
    with pytest.raises(ValueError, match="truncated"):
        decode(data.replace(*height), 20, 3)


def test_formats_whose_readers_start_other_programs_are_refused():
    data = encoded("EPS")
    with pytest.raises(ValueError, match="not an image of PNG, JPEG"):
        decode(data, 32, 3)


def test_a_missing_codec_is_no_damage(monkeypatch):
    data = encoded("WEBP")

    def unknown(*_, **__):
        raise Image.UnidentifiedImageError("cannot identify image file")

    monkeypatch.setattr(Image, "open", unknown)
    monkeypatch.setattr(features, "check", lambda name: name != "webp")
    with pytest.raises(InstallationError, match="without WebP"):
        decode(data, 4, 3)


WHOLE = [encoded(form) for form in FORMATS]


@given(
    data=st.binary(max_size=64)
    | st.sampled_from(WHOLE).flatmap(
        lambda whole: st.tuples(
            st.lists(
                st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)),
                min_size=1,
                max_size=8,
            )
        ).map(lambda changes: _changed(whole, changes[0]))
    )
)
def test_any_bytes_give_an_image_or_one_line(data):
    try:
        array, _ = decode(data, 8, 1)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert array.shape == (8, 8, 1)


def _changed(whole: bytes, changes) -> bytes:
    data = bytearray(whole)
    for place, value in changes:
        data[place] = value
    return bytes(data)
