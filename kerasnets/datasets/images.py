"""Single images into arrays of one size and number of channels.

`decode` takes the pixels of a prepared dataset as they are stored. `decode_file` takes
anybody's image file as a person sees it: upright, in sRGB, the first frame, on a
background. Both end in `as_array`.
"""

import io
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOENT, ENOSPC
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

try:
    import simplejpeg  # type: ignore[import-not-found]  # the pixels of Pillow, in two thirds of its time
except ImportError:
    simplejpeg = None

from kerasnets.catalog.image_headers import FORMATS, LARGEST, is_grey, opened, reason
from kerasnets.errors import DatasetError, raise_unless_data
from kerasnets.recipe import BACKGROUNDS, REDUCED
from kerasnets.storage.folders import user_cache

# How many times smaller an image of a width and height may be decoded.
Reduction = Callable[[int, int], float]
Box = tuple[int, int, int, int]  # a part of an image: top, left, bottom, right
_SPARE = 2  # times as large as needed a reduced image is at least: bilinear is exact so
_FACTORS = (8, 4, 2)  # that JPEG decoders reduce by at no cost
_CROPPED = 0.875  # of the shorter side: torchvision's 224 of 256
_LONGEST = 16  # sides in the ratio of; of longer images the ends are cut off first


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """uint8 [count, size, size, channels] to be filled: in memory or, where that is
    more than a quarter of what is free, in a file without a name in the user's cache
    folder.

    Raises:
        DatasetError: there is no room for that either.
    """
    shape = (count, size, size, channels)
    if math.prod(shape) <= free_memory() / 4:
        return np.empty(shape, np.uint8)
    try:
        return empty_on_disk(shape, np.dtype(np.uint8))
    except OSError as error:
        raise DatasetError(
            f"{count:,} images of {size}x{size} pixels take "
            f"{math.prod(shape) / 1e9:.1f} GB, and twice as much on disk while they "
            f"are decoded, for which {user_cache()} has no room ({error.strerror}); "
            "use a smaller image size, or name another folder with KERASNETS_CACHE."
        ) from error


def empty_on_disk(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """An array to be filled, in a file without a name in the user's cache folder, with
    room for a copy beside it.

    Raises:
        OSError: there is no room for that.
    """
    folder = user_cache()
    if folder is None:
        raise OSError(ENOENT, "there is no home folder")
    folder.mkdir(parents=True, exist_ok=True)
    needed = math.prod(shape) * kind.itemsize
    # Twice: the cache is a copy.
    if shutil.disk_usage(folder).free < 2 * needed:
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(needed)
        return np.memmap(file, kind, "r+", shape=shape)


def decoded_fit(count: int, size: int, channels: int) -> bool:
    """Whether there is room for so many decoded images: in memory or on disk while they
    are decoded, and on disk afterwards."""
    folder = user_cache()
    if folder is None:
        return True  # where none can be kept, that is told
    needed = count * size * size * channels
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(nearest).free
    return free >= needed * (1 if needed <= free_memory() / 4 else 2)


def free_memory() -> float:
    """Bytes that can be taken without swapping; infinite where nothing tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(free.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    return math.inf


def decode(
    data: bytes,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = None,
) -> tuple[np.ndarray, str]:
    """A stored image as uint8 [size, size, channels], and its format.

    Args:
        resize, background: as `as_array` takes them.

    Raises:
        ValueError: it is damaged, cut short, animated, larger than `LARGEST`, or not of
            `FORMATS`. The message is one line.
    """
    try:
        with opened(data) as image:
            if getattr(image, "is_animated", False):
                raise ValueError("it is animated, and which of its images is meant?")
            pixels = as_array(
                image, size, channels, resize=resize, background=background
            )
            return pixels, image.format or ""
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


@dataclass(frozen=True)
class ImageFile:
    """An image file as a person sees it.

    Attributes:
        image: Pillow's, of mode "L" or "RGB", in 8 bits: upright, in sRGB, the first
            frame, on the background.
        form: the file's format, as Pillow calls it.
        mode: its stored pixels' mode, as Pillow calls it.
        frames: whether it has more than one image.
        size: its width and height, upright; `image` is smaller where it was reduced.
    """

    image: Image.Image
    form: str
    mode: str
    frames: bool
    size: tuple[int, int]


def decode_file(
    data: bytes,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = "white",
    decode: str = "full",
) -> np.ndarray:
    """An image file as uint8 [size, size, channels].

    Args:
        resize, background: as `as_array` takes them.
        decode: one of `kerasnets.recipe.DECODES`.

    Raises:
        ValueError: as `read_file`.
    """
    reduction = reduction_to(size, resize) if decode == REDUCED else None
    image = read_file(data, background=background, reduction=reduction).image
    return as_array(image, size, channels, resize=resize, background=background)


def reduction_to(size: int, resize: str) -> Reduction:
    """What leaves an image twice as large as `as_array` needs it, in both directions
    but for "pad", which needs the longer one."""
    needed = _SPARE * (round(size / _CROPPED) if resize == "crop" else size)
    side = max if resize == "pad" else min
    return lambda width, height: side(width, height) / needed


def reduction_of(box: Box, size: int) -> float:
    """What leaves a part of an image twice as large as `size`."""
    top, left, bottom, right = box
    return min(bottom - top, right - left) / (_SPARE * size)


def read_file(
    data: bytes,
    *,
    background: str | None = "white",
    reduction: Reduction | None = None,
) -> ImageFile:
    """An image file at its own size.

    Whole numbers of more than 8 bits are shares of their type's largest. Fractions from
    0 to 1 are shares of white; other numbers are spread over their own range.

    Args:
        background: one of `BACKGROUNDS`, which shows through transparency; None leaves
            transparency out.
        reduction: of a JPEG, given its upright width and height; none unless given.

    Raises:
        ValueError: it is damaged, cut short, larger than `LARGEST`, or not of
            `FORMATS`. The message is one line.
        InstallationError: Pillow is installed without its format.
    """
    try:
        with opened(data) as image:
            form, mode, frames = image.format or "", image.mode, _has_frames(image)
            if form not in ("JPEG", "MPO"):
                seen = as_seen(image, background)
                return ImageFile(seen, form, mode, frames, seen.size)
            turned = _turn(image) in _SIDEWAYS
            size = image.size[::-1] if turned else image.size
            reduced = reduction is not None and _reduce(image, reduction(*size))
            plain = form == "JPEG" and mode in ("RGB", "L") and not reduced
            pixels = _jpeg_pixels(data, mode) if plain and simplejpeg else None
            seen = as_seen(image, background, pixels)
            return ImageFile(seen, form, mode, frames, size)
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


def _reduce(image: Image.Image, most: float) -> bool:
    """Have a JPEG decoded smaller by a factor of at most `most`, if there is one.

    Only by one that divides both sides, as it does photographs': else the last pixels
    stand for less than the others, and the image is distorted.
    """
    for factor in _FACTORS:
        if factor <= most and not any(side % factor for side in image.size):
            width, height = (side // factor for side in image.size)
            return image.draft(None, (width, height)) is not None
    return False


def _jpeg_pixels(data: bytes, mode: str) -> Image.Image | None:
    """The pixels of a JPEG, in mode "RGB" or "L"; None where Pillow should see to it,
    as it tolerates some damage."""
    space = "RGB" if mode == "RGB" else "GRAY"
    try:
        pixels = simplejpeg.decode_jpeg(data, space)
    except ValueError:
        return None
    return Image.fromarray(pixels if mode == "RGB" else pixels[..., 0])


def as_seen(
    image: Image.Image, background: str | None, pixels: Image.Image | None = None
) -> Image.Image:
    """What a person sees of an opened image: as `ImageFile` has it.

    Args:
        background: as `read_file` takes it.
        pixels: its pixels where they are decoded already.

    Raises:
        ValueError: it has pixels that are no numbers.
        Exception: as Pillow's readers do.
    """
    profile = image.info.get("icc_profile")
    numbers = _Numbers.of(image)
    if pixels is None:
        image.load()
        pixels = image
    turn = _turn(image)
    upright = pixels if turn is None else pixels.transpose(turn)
    return _flat(upright, numbers, profile, background)


def _has_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception as error:  # what follows the first frame is damaged
        raise_unless_data(error)
        return True


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


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How an image must be turned, by its EXIF orientation. TIFF's is turned by its
    reader."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception as error:  # damaged EXIF says nothing
        raise_unless_data(error)
        return None


@dataclass(frozen=True)
class _Numbers:
    """What a TIFF says of its pixels' numbers; 0 is "it does not".

    Attributes:
        bits: of each.
        inverted: whether 0 is white.
    """

    bits: int = 0
    inverted: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> "_Numbers":
        tags: Any = getattr(image, "tag_v2", None)
        if tags is None or not image.mode.startswith("I"):
            return cls()
        return cls(int(tags.get(258, (0,))[0]), tags.get(262) == 0)


def _flat(
    image: Image.Image,
    numbers: _Numbers,
    profile: bytes | None,
    background: str | None,
) -> Image.Image:
    """The image in mode "L" or "RGB"."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _spread(image, numbers)
    image = image.convert(_FIRST[image.mode]) if image.mode in _FIRST else image
    if image.mode in ("P", "PA") or (
        image.has_transparency_data and image.mode not in ("LA", "RGBA")
    ):
        grey = is_grey(image)
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        if grey and not profile:
            image = image.convert("LA" if image.mode == "RGBA" else "L")
    if profile:
        image = _in_srgb(image, profile)
    image = _on_background(image, background)
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    # A file's own image is copied: it ends with the file.
    own = type(image) is Image.Image and image.mode == mode
    return image if own else image.convert(mode)


def _spread(image: Image.Image, numbers: _Numbers) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise ValueError("it has pixels that are no numbers")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    white = 1 if image.mode == "F" else 2 ** (numbers.bits or 16) - 1
    if low >= 0 and high <= white < 2**31:
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
        return image  # the profile is damaged, or is of other colors
    return changed or image


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None where it is sRGB's."""
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "srgb" in ImageCms.getProfileDescription(given).lower():
        return None
    to = "RGBA" if mode == "RGBA" else "RGB"
    return ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), mode, to)


def as_array(
    image: Image.Image,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str | None = None,
) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated.

    Args:
        resize: "squash" to a square; "crop" scales the shorter side to size / 0.875 and
            takes the centre, as torchvision evaluates; "pad" scales the longer side to
            size.
        background: one of `BACKGROUNDS`: shows through transparency and around a padded
            image. None leaves transparency out, and pads with black.

    Raises:
        ValueError: the image does not say which of its values is white.
    """
    mode = "L" if channels == 1 else "RGB"
    image = _on_background(_eight_bits(image), background)
    if image.mode != mode:
        image = image.convert(mode)
    if resize == "squash":
        image = _resized(image, size, size)
    elif resize == "crop":
        image = _cropped(image, size)
    else:
        image = _padded(image, size, BACKGROUNDS[background or "black"])
    return np.asarray(image).reshape(size, size, channels)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _cropped(image: Image.Image, size: int) -> Image.Image:
    longest = _LONGEST * min(image.size)
    if max(image.size) > longest:
        image = _centre(image, min(image.width, longest), min(image.height, longest))
    # The longer side is cut off to whole pixels, as torchvision's Resize does.
    shorter = round(size / _CROPPED)
    width, height = (shorter * side // min(image.size) for side in image.size)
    return _centre(_resized(image, width, height), size, size)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _padded(image: Image.Image, size: int, value: int) -> Image.Image:
    longer = max(image.size)
    width, height = (max(1, round(side * size / longer)) for side in image.size)
    image = _resized(image, width, height)
    whole = Image.new(image.mode, (size, size), (value,) * len(image.getbands()))
    whole.paste(image, ((size - width) // 2, (size - height) // 2))
    return whole


def _on_background(image: Image.Image, background: str | None) -> Image.Image:
    """The image without transparency."""
    if background is None or not image.has_transparency_data:
        return image
    grey = image.mode in ("1", "L", "LA")
    image = image.convert("RGBA")
    value = BACKGROUNDS[background]
    whole = Image.new("RGBA", image.size, (value, value, value, 255))
    return Image.alpha_composite(whole, image).convert("L" if grey else "RGB")


_WHITE = 2**16 - 1  # in 16 bits, which Pillow's modes "I;16", "I;16B" and "I" hold
# Premultiplied by their transparency, and a mode without another way to grey.
_FIRST = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB"}


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in a mode that Pillow converts to grey and to RGB by its scale: it
    would clip values above 255 instead."""
    if image.mode == "F":
        raise ValueError("its pixels are fractions, and nothing says which is white")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > _WHITE:
            raise ValueError(f"it has pixels that are not from 0 to {_WHITE}")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    first = _FIRST.get(image.mode)
    return image.convert(first) if first else image


__all__ = [
    "FORMATS",
    "LARGEST",
    "ImageFile",
    "as_array",
    "decode",
    "decode_file",
    "empty_images",
    "read_file",
]
