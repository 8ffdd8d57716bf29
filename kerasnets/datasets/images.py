"""Single images into arrays of one size and number of channels."""

import io
import os
import warnings
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps, features

from kerasnets.errors import (
    DatasetError,
    InstallationError,
    first_line,
    raise_unless_data,
)

# Others are refused: some of Pillow's readers start other programs.
FORMATS = (
    *("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "TIFF"),
    *("WEBP", "AVIF", "PPM", "ICO"),
)
# A file of some kilobytes can declare any size; the largest image of ImageNet has 60.
LARGEST = 64  # megapixels (10^6)
RESIZES = ("squash", "crop", "pad")
BACKGROUNDS = {"white": 255, "black": 0, "grey": 128}
_CROPPED = 0.875  # of the shorter side: torchvision's 224 of 256


def empty_images(count: int, size: int, channels: int) -> np.ndarray:
    """uint8 [count, size, size, channels] to be filled.

    Raises:
        DatasetError: it would take more than half of the machine's memory.
    """
    needed = count * size * size * channels
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > memory / 2:
            raise DatasetError(
                f"{count:,} images of {size}x{size} pixels take {needed / 1e9:.0f} GB, "
                f"too much for this machine's {memory / 1e9:.0f} GB; use a smaller "
                "image size."
            )
    return np.empty((count, size, size, channels), np.uint8)


def decode(
    data: bytes,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str = "white",
) -> tuple[np.ndarray, str]:
    """An image file as uint8 [size, size, channels], and its format. Of an animation or
    a file of several images, the first.

    Args:
        resize: one of `RESIZES`, as `as_array` takes it.
        background: one of `BACKGROUNDS`; what shows through transparency.

    Raises:
        ValueError: it is damaged, cut short, larger than `LARGEST`, or not of `FORMATS`.
            The message is one line.
    """
    try:
        with opened(data) as image:
            form = image.format or ""
            pixels = as_array(
                upright(image), size, channels, resize=resize, background=background
            )
            return pixels, form
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


def opened(data: bytes) -> Image.Image:
    """An image whose header has been read.

    Raises:
        Exception: as Pillow's readers do, of many kinds; `reason` tells them in a line.
    """
    with warnings.catch_warnings():
        # Pillow's own limit is a warning at first; ours, below, is an error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > LARGEST * 1e6:
        raise Image.DecompressionBombError
    return image


def reason(error: Exception, data: bytes) -> str:
    """Why an image cannot be read, in one line without a full stop.

    Raises:
        InstallationError: Pillow is installed without its format.
    """
    if isinstance(error, Image.UnidentifiedImageError):
        for mark, name in ((b"WEBP", "webp"), (b"avif", "avif")):
            if data[8:12] == mark and not features.check(name):
                raise InstallationError(
                    f"Pillow is installed without {name.upper()}."
                ) from error
        return f"it is not an image of {', '.join(FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {LARGEST} million pixels"
    return first_line(error)


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says, in sRGB where it has a profile of
    colors."""
    profile = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image)
    return _in_srgb(turned, profile) if profile else turned


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    if image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    mode = "RGB" if image.mode == "CMYK" else image.mode
    try:
        transform = _transform(profile, image.mode, mode)
        return ImageCms.applyTransform(image, transform) if transform else image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that says nothing of these colors


@lru_cache(maxsize=32)
def _transform(profile: bytes, source: str, target: str):
    from PIL import ImageCms

    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if "srgb" in ImageCms.getProfileDescription(given).lower():
        return None
    standard = ImageCms.createProfile("sRGB")
    if target == "L":
        return None  # a grey profile only says how bright; sRGB has nothing to convert
    return ImageCms.buildTransform(given, standard, source, target)


def as_array(
    image: Image.Image,
    size: int,
    channels: int,
    *,
    resize: str = "squash",
    background: str = "white",
) -> np.ndarray:
    """uint8 [size, size, channels], resized bilinearly as torchvision's Resize does
    with Pillow images; color becomes grey by its luminance, grey is repeated.

    Args:
        resize: "squash" to a square; "crop" the shorter side to size / 0.875 and take
            the centre, as torchvision evaluates; "pad" the longer side to size, on the
            background.
        background: one of `BACKGROUNDS`; what shows through transparency.
    """
    mode = "L" if channels == 1 else "RGB"
    image = _on_background(_eight_bits(image), BACKGROUNDS[background])
    if image.mode != mode:
        image = image.convert(mode)
    if resize == "squash" or image.width == image.height == size:
        image = _resized(image, size, size)
    elif resize == "crop":
        image = _cropped(image, size)
    else:
        image = _padded(image, size, BACKGROUNDS[background])
    return np.asarray(image).reshape(size, size, channels)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _cropped(image: Image.Image, size: int) -> Image.Image:
    shorter = round(size / _CROPPED)
    scale = shorter / min(image.size)
    # The longer side is cut off to whole pixels, as torchvision's Resize does.
    width, height = (
        shorter if side == min(image.size) else int(side * scale) for side in image.size
    )
    image = _resized(image, width, height)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def _padded(image: Image.Image, size: int, value: int) -> Image.Image:
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    image = _resized(image, width, height)
    whole = Image.new(image.mode, (size, size), (value,) * len(image.getbands()))
    whole.paste(image, ((size - width) // 2, (size - height) // 2))
    return whole


_WHITE = 2**16 - 1  # in 16 bits, which Pillow's modes "I;16", "I;16B" and "I" hold
# Premultiplied by their transparency, and a mode without another way to grey.
_FIRST = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB"}


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in a mode that Pillow converts to grey and to RGB by its scale: it
    would clip values above 255 instead.

    Whole numbers from 0 to 65535 and fractions from 0 to 1 are shares of white; other
    numbers are spread over their own range.

    Raises:
        ValueError: a pixel is not a number.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        if not np.all(np.isfinite(values)):
            raise ValueError("it has pixels that are no numbers")
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        white = 1 if image.mode == "F" else _WHITE
        if low >= 0 and high <= white:
            low, high = 0.0, float(white)
        else:
            low = float(values.min())
        shares = (values - low) / (high - low or 1)
        return Image.fromarray(np.floor(shares * 255 + 0.5).astype(np.uint8))
    first = _FIRST.get(image.mode)
    return image.convert(first) if first else image


def _on_background(image: Image.Image, value: int) -> Image.Image:
    """The image without transparency."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    whole = Image.new("RGBA", image.size, (value, value, value, 255))
    return Image.alpha_composite(whole, image).convert("RGB")
