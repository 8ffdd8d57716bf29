"""Anybody's image files: shown as a person sees them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from kerasnets.datasets.images import as_array, decode, decode_file, read_file

COLORS = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(image, form="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pixels(data: bytes, **options) -> np.ndarray:
    return np.asarray(read_file(data, **options).image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = {
        1: COLORS,
        2: COLORS[:, ::-1],
        3: COLORS[::-1, ::-1],
        4: COLORS[::-1],
        5: COLORS.transpose(1, 0, 2),
        6: np.rot90(COLORS, -1),
        7: COLORS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLORS),
    }[orientation]
    for form in ("PNG", "TIFF"):
        data = saved(Image.fromarray(COLORS), form, exif=exif)
        np.testing.assert_array_equal(pixels(data), expected)


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("black", 0)])
@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "key"])
def test_transparency_shows_the_background(kind, background, value):
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    options = {}
    if kind == "LA":
        image = Image.new("LA", (4, 4), (10, 0))
    elif kind == "P":
        image = Image.new("P", (4, 4), 7)
        image.putpalette([3] * 768)
        options = {"transparency": 7}
    elif kind == "key":
        image = Image.new("RGB", (4, 4), (1, 2, 3))
        options = {"transparency": (1, 2, 3)}
    data = saved(image, **options)
    assert (pixels(data, background=background) == value).all()
    padded = decode_file(data, 8, 3, resize="pad", background=background)
    assert (padded == value).all()


def chunk(kind: bytes, data: bytes) -> bytes:
    whole = kind + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(bits: int, values: list[int], key: int, channels: int = 1) -> bytes:
    """A PNG of one row with a transparent color; every channel has the same values."""
    row = "".join(f"{value:0{bits}b}" * channels for value in values)
    stored = int(row.ljust(-len(row) % 8 + len(row), "0"), 2)
    header = struct.pack(">IIBBBBB", len(values), 1, bits, channels - 1, 0, 0, 0)
    pixels = b"\0" + stored.to_bytes(-(-len(row) // 8), "big")
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tRNS", struct.pack(">H", key) * channels),
            chunk(b"IDAT", zlib.compress(pixels)),
            chunk(b"IEND", b""),
        ]
    )


@pytest.mark.parametrize("background", ["white", "black"])
@pytest.mark.parametrize(
    ("data", "opaque"),
    [
        (png(1, [1, 0], 1), 0),
        (png(2, [3, 0], 3), 0),
        (png(2, [1, 2], 1), 170),
        (png(4, [15, 0], 15), 0),
        (png(4, [0, 8], 0), 136),
        (png(8, [3, 200], 3), 200),
        (png(16, [0, 30000], 0), 117),
        (png(16, [0x1234, 0x1235], 0x1234), 18),
        (png(8, [3, 200], 3, channels=3), 200),
        (png(16, [0x1234, 0x8000], 0x1234, channels=3), 128),
        (png(16, [0x1234, 0x3400], 0x1234, channels=3), 52),
    ],
)
def test_the_transparent_color_of_any_depth(data, opaque, background):
    seen = pixels(data, background=background)
    expected = np.array([255 if background == "white" else 0, opaque])
    np.testing.assert_array_equal(seen.reshape(1, 2, -1)[..., 0], [expected])
    ignored = pixels(data, background=None).reshape(2, -1)
    assert ignored[1, 0] == opaque


def test_half_transparency_is_composited():
    data = saved(Image.new("RGBA", (2, 2), (200, 100, 0, 128)))
    expected = np.array([200, 100, 0]) * 128 / 255 + 128 * 127 / 255
    assert np.abs(pixels(data, background="grey") - expected).max() <= 1
    assert pixels(data, background=None)[0, 0].tolist() == [200, 100, 0]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_counts(form):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    found = read_file(data)
    assert found.frames
    assert np.abs(np.asarray(found.image)[0, 0].astype(int) - [255, 0, 0]).max() < 4


def sixteen(values, **tags) -> bytes:
    return saved(Image.fromarray(np.array([values], np.uint16)), "TIFF", tiffinfo=tags)


def numbered(values, bits: int, kind: int = 1, photometric: int = 1) -> bytes:
    """A TIFF of one row, written as its tags say; kinds are TIFF's sample formats."""
    code = {1: "u", 2: "i", 3: "f"}[kind]
    data = np.array(values, f"<{code}{bits // 8}").tobytes()
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: photometric}
    tags |= {273: 8, 277: 1, 278: 1, 279: len(data), 339: kind}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in tags)
    folder = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + folder


def test_numbers_are_shares_of_their_range():
    assert pixels(sixteen([0, 257, 65535])).tolist() == [[0, 1, 255]]
    fractions = Image.fromarray(np.array([[0, 0.2, 1]], np.float32))
    assert pixels(saved(fractions, "TIFF")).tolist() == [[0, 51, 255]]
    counts = Image.fromarray(np.array([[-100, 0, 300]], np.float32))
    assert pixels(saved(counts, "TIFF")).tolist() == [[0, 64, 255]]
    wide = Image.fromarray(np.array([[0, 100_000, 200_000]], np.int32))
    assert pixels(saved(wide, "TIFF")).tolist() == [[0, 128, 255]]
    unsigned = numbered([0, 2**31, 2**32 - 1], 32)
    assert pixels(unsigned).tolist() == [[0, 128, 255]]
    assert pixels(numbered([0, 3, 4], 32)).tolist() == [[0, 191, 255]]
    assert pixels(numbered([0, 16384, 32767], 16, kind=2)).tolist() == [[0, 128, 255]]
    for bits in (16, 32):
        most = 2 ** (bits - 1) - 1
        signed = numbered([-most, 0, most], bits, kind=2)
        assert pixels(signed).tolist() == [[0, 128, 255]]
    for values, white in (([0, 0.2, 1], 204), ([-100, 0, 300], 191)):
        inverted = numbered(values, 32, kind=3, photometric=0)
        assert pixels(inverted).tolist() == [[255, white, 0]]
    grey = saved(Image.fromarray(np.array([[0, 65535]], np.uint16)), "PNG")
    assert pixels(grey).tolist() == [[0, 255]]


def test_pixels_that_are_no_numbers_are_refused():
    data = saved(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF")
    with pytest.raises(ValueError, match="not finite numbers"):
        read_file(data)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_four_inks_become_color(form):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(pixels(saved(image, form))[0, 0] - np.array([255, 0, 0])).max() < 5


def test_profiles_are_converted_to_srgb():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A profile with red and blue exchanged.
    swapped = srgb
    for a, b in ((b"rXYZ", b"bXYZ"), (b"rTRC", b"bTRC")):
        swapped = swapped.replace(a, b"....").replace(b, a).replace(b"....", b)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    swapped = swapped.replace(b"sRGB", b"test")
    image = Image.fromarray(COLORS)
    for profile, expected in (
        (srgb, COLORS),
        (swapped, COLORS[..., ::-1]),
        (lab, COLORS),
    ):
        seen = pixels(saved(image, icc_profile=profile)).astype(int)
        assert np.abs(seen - expected).max() <= 2
    assert np.abs(pixels(saved(image, icc_profile=b"nonsense")) - COLORS).max() == 0


def test_a_palette_of_greys_is_grey():
    image = Image.fromarray(COLORS[..., 0]).convert("P")
    found = read_file(saved(image))
    assert (found.image.mode, found.mode) == ("L", "P")
    np.testing.assert_array_equal(np.asarray(found.image), COLORS[..., 0])


def stripes(width, height):
    """Grey rising from left to right."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.tile(row, (height, 1)))


@pytest.mark.parametrize("size", [(30, 20), (20, 30), (64, 64), (3, 7), (500, 333)])
@pytest.mark.parametrize("target", [16, 56, 224])
def test_crop_is_what_torchvision_evaluates(size, target):
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    )
    theirs = transforms.Compose(
        [transforms.Resize(round(target / 0.875)), transforms.CenterCrop(target)]
    )(image)
    ours = as_array(image, target, 3, resize="crop")
    np.testing.assert_array_equal(ours, np.asarray(theirs))


def test_crop_keeps_shapes_and_pad_keeps_all():
    wide = as_array(stripes(200, 100), 50, 1, resize="crop")[25, :, 0]
    assert 60 < wide[0] < 85 and 170 < wide[-1] < 195
    whole = as_array(stripes(200, 100), 50, 1, resize="pad", background="white")
    assert (whole[:12] == 255).all() and (whole[-12:] == 255).all()
    assert whole[25, 0, 0] < 10 and whole[25, -1, 0] > 245


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_a_thread_of_an_image_takes_no_memory(resize):
    image = Image.new("L", (1, 60_000), 77)
    array = as_array(image, 224, 1, resize=resize, background="black")
    assert array.shape == (224, 224, 1)
    assert (array == 77).any()


@pytest.mark.parametrize("read", [decode, decode_file])
def test_limits_that_a_program_gives_pillow_change_nothing(read, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), "JPEG")
    read(whole, 16, 3)
    with pytest.raises(ValueError, match="truncated"):
        read(whole[:2000], 16, 3)
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == (True, 1)
