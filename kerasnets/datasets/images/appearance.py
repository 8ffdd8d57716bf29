"""The appearance of an opened image: upright, in sRGB, on a background."""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from kerasnets.catalog.image_headers import is_grey
from kerasnets.errors import raise_unless_data
from kerasnets.recipe.fields import BACKGROUNDS

# Modes that need an intermediate one: premultiplied alpha, and LAB.
FIRST_MODES = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB"}


def as_seen(
    image: Image.Image, background: str | None, pixels: Image.Image | None = None
) -> Image.Image:
    """An opened image in mode "L" or "RGB", 8 bits, as a viewer displays it.

    Args:
        background: see `read_file`.
        pixels: the decoded pixels, if available.

    Raises:
        ValueError: it has NaN or infinite pixels.
        Exception: any error of Pillow's readers.
    """
    profile = image.info.get("icc_profile")
    numbers = _Numbers.of(image)
    _scale_transparent_color(image)
    if pixels is None:
        image.load()
        pixels = image
    turn = _turn(image)
    upright = pixels if turn is None else pixels.transpose(turn)
    return _flat(upright, numbers, profile, background)


def on_background(image: Image.Image, background: str | None) -> Image.Image:
    """The image without transparency."""
    if background is None or not image.has_transparency_data:
        return image
    grey = image.mode in ("1", "L", "LA")
    image = image.convert("RGBA")
    value = BACKGROUNDS[background]
    whole = Image.new("RGBA", image.size, (value, value, value, 255))
    return Image.alpha_composite(whole, image).convert("L" if grey else "RGB")


_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_SIDEWAYS = tuple(turn for orientation, turn in _TURNS.items() if orientation >= 5)


def lies_on_its_side(image: Image.Image) -> bool:
    """Whether EXIF orientation swaps the image's width and height."""
    return _turn(image) in _SIDEWAYS


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The rotation that EXIF orientation calls for. Pillow's reader rotates TIFFs
    itself."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception as error:  # damaged EXIF is ignored
        raise_unless_data(error)
        return None


@dataclass(frozen=True)
class _Numbers:
    """A TIFF's pixel format.

    Attributes:
        bits: bits per sample; 0 if unknown.
        signed: whether they are signed integers.
        inverted: whether 0 is white.
    """

    bits: int = 0
    signed: bool = False
    inverted: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> "_Numbers":
        tags: Any = getattr(image, "tag_v2", None)
        if tags is None or image.mode[0] not in "FI":
            return cls()
        bits, kind = (int(tags.get(tag, (0,))[0]) for tag in (258, 339))
        return cls(bits, kind == 2, tags.get(262) == 0)

    def values(self, image: Image.Image) -> np.ndarray:
        """The pixels as float64 [H, W]."""
        stored = np.asarray(image)
        # Pillow's mode "I" is signed, and holds the bits of unsigned integers.
        if stored.dtype == np.int32 and self.bits == 32 and not self.signed:
            stored = stored.view(np.uint32)
        return stored.astype(np.float64)

    def white(self, mode: str) -> int:
        if mode == "F":
            return 1
        return 2 ** ((self.bits or 16) - self.signed) - 1


def _scale_transparent_color(image: Image.Image) -> None:
    """Scale the transparent color of a PNG as Pillow scales the pixels."""
    stored: Any = image.info.get("transparency")
    tiles: Any = image.format == "PNG" and getattr(image, "tile", None)
    form = str(tiles[0].args) if tiles else ""
    if form in ("L;2", "L;4") and isinstance(stored, int):
        most = 2 ** int(form[-1]) - 1
        image.info["transparency"] = (stored & most) * 255 // most
    elif form == "RGB;16B" and isinstance(stored, tuple):
        # Pillow drops the low bytes, so colors that differ in these alone are
        # transparent too.
        image.info["transparency"] = tuple(value >> 8 for value in stored)


def _flat(
    image: Image.Image,
    numbers: _Numbers,
    profile: bytes | None,
    background: str | None,
) -> Image.Image:
    """The image in mode "L" or "RGB"."""
    if image.mode[0] in "FI":
        key = image.info.get("transparency")
        opaque = np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)
        image = _spread(image, numbers)
        if isinstance(key, int):
            image.putalpha(Image.fromarray(opaque))
    image = (
        image.convert(FIRST_MODES[image.mode]) if image.mode in FIRST_MODES else image
    )
    if image.mode in ("P", "PA") or (
        image.has_transparency_data and image.mode not in ("LA", "RGBA")
    ):
        grey = is_grey(image)
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        if grey and not profile:
            image = image.convert("LA" if image.mode == "RGBA" else "L")
    if profile:
        image = _in_srgb(image, profile)
    image = on_background(image, background)
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    # An image still attached to its file is copied, as it is closed with the file.
    own = type(image) is Image.Image and image.mode == mode
    return image if own else image.convert(mode)


_WIDE = 2**31 - 1  # integers from this on are counts; no image has such a white


def _spread(image: Image.Image, numbers: _Numbers) -> Image.Image:
    values = numbers.values(image)
    if not np.all(np.isfinite(values)):
        raise ValueError("it has pixels that are not finite numbers")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    white = numbers.white(image.mode)
    if low >= 0 and high <= white < _WIDE:
        low, high = 0.0, float(white)
    else:
        low, high = float(values.min()), float(values.max())
    shares = (values - low) / (high - low or 1)
    if numbers.inverted:
        shares = 1 - shares
    return Image.fromarray(np.floor(shares * 255 + 0.5).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    if image.mode == "LA":
        opacity = image.getchannel("A")
        image = _in_srgb(image.getchannel("L"), profile)
        image.putalpha(opacity)
        return image
    if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
        return image
    try:
        transform = _transform(profile, image.mode)
        changed = transform and ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # the profile is damaged, or for another color space
    return changed or image


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB; None if the profile is sRGB."""
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "srgb" in ImageCms.getProfileDescription(given).lower():
        return None
    to = "RGBA" if mode == "RGBA" else "RGB"
    return ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), mode, to)
