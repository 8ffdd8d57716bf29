"""JPEG files decoded smaller, where less is needed, and faster."""

from collections.abc import Callable

from PIL import Image

from kerasnets.datasets.images.squares import CROPPED

try:
    import simplejpeg  # type: ignore[import-not-found]
except ImportError:
    simplejpeg = None

# How many times smaller an image of a width and height may be decoded.
Reduction = Callable[[int, int], float]
Box = tuple[int, int, int, int]  # a part of an image: top, left, bottom, right
_SPARE = 2  # times as large as needed a reduced image is at least: bilinear is exact so
_FACTORS = (8, 4, 2)  # by which decoders reduce at no cost


def reduction_to(size: int, resize: str) -> Reduction:
    """What leaves an image twice as large as `as_array` needs it, in both directions
    but for "pad", which needs the longer one."""
    needed = _SPARE * (round(size / CROPPED) if resize == "crop" else size)
    side = max if resize == "pad" else min
    return lambda width, height: side(width, height) / needed


def reduction_of(box: Box, size: int) -> float:
    """What leaves a part of an image twice as large as `size`."""
    top, left, bottom, right = box
    return min(bottom - top, right - left) / (_SPARE * size)


def reduce(image: Image.Image, most: float) -> bool:
    """Have an opened JPEG decoded smaller by a factor of at most `most`, if possible.

    Only by one that divides both sides, as it does photographs': else the last pixels
    stand for less than the others, and the image is distorted.
    """
    for factor in _FACTORS:
        if factor <= most and not any(side % factor for side in image.size):
            width, height = (side // factor for side in image.size)
            return image.draft(None, (width, height)) is not None
    return False


def fast_pixels(data: bytes, mode: str) -> Image.Image | None:
    """The pixels that Pillow decodes a JPEG of mode "RGB" or "L" to, in two thirds of
    its time; None where Pillow should see to it: simplejpeg is not installed, or does
    not tolerate some damage."""
    if simplejpeg is None:
        return None
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB" if mode == "RGB" else "GRAY")
    except ValueError:
        return None
    return Image.fromarray(pixels if mode == "RGB" else pixels[..., 0])
