"""Faster decoding of JPEG files, at reduced size where that suffices."""

from collections.abc import Callable

from PIL import Image

from kerasnets.datasets.images.squares import CROPPED

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

# (width, height) -> the factor by which an image may be decoded smaller.
Reduction = Callable[[int, int], float]
Box = tuple[int, int, int, int]  # a part of an image: top, left, bottom, right
_SPARE = 2  # a reduced image is at least this many times as large as needed
_FACTORS = (8, 4, 2)  # reductions that JPEG decoders do at no cost


def reduction_to(size: int, resize: str) -> Reduction:
    """The reduction to twice the size that `as_array` needs, in both directions, or for
    "pad" in the longer one."""
    needed = _SPARE * (round(size / CROPPED) if resize == "crop" else size)
    side = max if resize == "pad" else min
    return lambda width, height: side(width, height) / needed


def reduction_of(box: Box, size: int) -> float:
    """The reduction of an image to which a part of it is twice as large as `size`."""
    top, left, bottom, right = box
    return min(bottom - top, right - left) / (_SPARE * size)


def reduce(image: Image.Image, most: float) -> bool:
    """Make an opened JPEG decode smaller by a factor of at most `most`, if possible.

    The factor must divide both sides, as is usual for photographs. Otherwise the last
    pixels would cover a smaller area than the others, and the image be distorted.
    """
    for factor in _FACTORS:
        if factor <= most and not any(side % factor for side in image.size):
            width, height = (side // factor for side in image.size)
            return image.draft(None, (width, height)) is not None
    return False


def fast_pixels(data: bytes, mode: str) -> Image.Image | None:
    """Pillow's pixels of a JPEG in mode "RGB" or "L", in half of its time; None
    if Pillow must decode it, as simplejpeg is not installed or rejects the file."""
    if simplejpeg is None:
        return None
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB" if mode == "RGB" else "GRAY")
    except ValueError:
        return None
    return Image.fromarray(pixels if mode == "RGB" else pixels[..., 0])
