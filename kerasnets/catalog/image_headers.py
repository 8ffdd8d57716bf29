"""Headers of image files, which suffice to choose a size and channels.

Pillow is imported when the first file is read.
"""

import contextlib
import io
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnets.errors import InstallationError, first_line, raise_unless_data

if TYPE_CHECKING:
    from PIL import Image, ImageFile

# Others are refused, as some of Pillow's readers start other programs. JPEG includes
# MPO.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF", "PPM", "ICO", "DIB")
# A small file can declare any size. The largest image of ImageNet has 60 megapixels.
LARGEST = 64  # megapixels (10^6)
SIZE = 224  # pixels, unless all images are smaller
_MULTIPLE = 32  # sizes of smaller images are rounded up, as networks halve five times


@dataclass(frozen=True)
class Header:
    """The header of an image.

    Attributes:
        width, height: pixels, as stored.
        grey: whether the pixels have no color.
    """

    width: int
    height: int
    grey: bool


def header(data: bytes) -> Header:
    """Read the header of an image file.

    Raises:
        ValueError: the image is damaged, larger than `LARGEST`, or not in `FORMATS`.
            The message is one line.
        InstallationError: Pillow was built without support for its format.
    """
    try:
        with opened(data) as image:
            return Header(image.width, image.height, is_grey(image))
    except Exception as error:  # Pillow's readers raise many kinds
        raise_unless_data(error)
        raise ValueError(reason(error, data)) from error


def image_size(paths: Iterable[Path]) -> int:
    """`SIZE`, or the longest side of all images rounded up to a multiple of 32 if that
    is smaller.

    Stops reading as soon as the result is known, for photographs after the first.
    """
    longest = 1
    for found in _headers(paths):
        longest = max(longest, found.width, found.height)
        if longest > SIZE - _MULTIPLE:
            return SIZE
    return -(-longest // _MULTIPLE) * _MULTIPLE


def channels(paths: Iterable[Path]) -> int:
    """1 if every image is grey, else 3."""
    return 1 if all(found.grey for found in _headers(paths)) else 3


def _headers(paths: Iterable[Path]) -> Iterator[Header]:
    """Yield the readable headers; damage is reported when the images are read."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            yield header(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        OSError: the file cannot be read, or is a pipe or device, which may never end.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "it is not a file")
    return path.read_bytes()


@contextlib.contextmanager
def opened(data: bytes) -> Iterator["Image.Image"]:
    """Open an image and read its header, regardless of the limits set in Pillow.

    Raises:
        Exception: any error of Pillow's readers; `reason` describes it in one line.
    """
    from PIL import Image

    with _own_limits, Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > LARGEST * 1e6:
            raise Image.DecompressionBombError
        if image.format == "TIFF" and not _is_whole(image):
            raise OSError("image file is truncated")
        yield image


def _is_whole(image: "ImageFile.ImageFile") -> bool:
    """Whether the parts of a TIFF image cover it. Pillow leaves the rest black."""
    boxes = [tile.extents or (0, 0, *image.size) for tile in image.tile]
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    return right * bottom >= image.width * image.height  # it may be turned


class _OwnLimits:
    """Pillow's process-wide settings while any thread reads an image: truncated files
    are errors, and `LARGEST` is the only size limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._before: tuple[bool, int | None] = (False, None)

    def __enter__(self) -> None:
        from PIL import Image, ImageFile

        with self._lock:
            if not self._readers:
                self._before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        from PIL import Image, ImageFile

        with self._lock:
            self._readers -= 1
            if not self._readers:
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = self._before


_own_limits = _OwnLimits()


def reason(error: Exception, data: bytes) -> str:
    """Why an image cannot be read, in one line without a full stop.

    Raises:
        InstallationError: Pillow was built without support for its format.
    """
    from PIL import Image, features

    if isinstance(error, Image.UnidentifiedImageError):
        for mark, name in ((b"WEBP", "WebP"), (b"avif", "AVIF")):
            if mark in data[8:12] and not features.check(name.lower()):
                raise InstallationError(
                    f"Pillow is installed without {name}."
                ) from error
        return f"it is not an image of {', '.join(FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {LARGEST} million pixels"
    if isinstance(error, AssertionError):  # Pillow's own, without a message
        return "it is damaged"
    message = first_line(error)
    return "its pixels are damaged" if message.startswith("decoder error") else message


def is_grey(image: "Image.Image") -> bool:
    """Whether the image's mode or palette has no color."""
    if image.mode in ("P", "PA"):
        palette = bytes(image.getpalette() or [])
        return palette[::3] == palette[1::3] == palette[2::3]
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


# Warnings of Pillow's readers about slightly invalid files, for all threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
