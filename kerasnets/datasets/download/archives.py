"""The published archives of MNIST and CIFAR, read with Python alone.

Each function yields images as uint8 [H, W, C] with their labels, in published order.
"""

import gzip
import math
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LARGEST = 1_000_000_000  # bytes, unpacked; CIFAR and MNIST have 47 to 185 million

_CIFAR_PIXELS = 3 * 32 * 32


def read_idx(images: Path, labels: Path) -> Iterator[tuple[np.ndarray, int]]:
    """MNIST's format: gzip of a big-endian header and the bytes.

    Raises:
        ValueError: the files are not of that format, or do not fit each other.
    """
    pixels, names = _idx_array(images, 3), _idx_array(labels, 1)
    if len(pixels) != len(names):
        raise ValueError(f"{len(pixels)} images, but {len(names)} labels")
    for image, label in zip(pixels, names, strict=True):
        yield image[..., None], int(label)


def _idx_array(path: Path, dimensions: int) -> np.ndarray:
    header = 4 + 4 * dimensions
    with gzip.open(path) as file:
        start = file.read(header)
        # Two zero bytes, the type (8: unsigned byte), the number of dimensions.
        if len(start) < header or start[:4] != bytes((0, 0, 8, dimensions)):
            raise ValueError(f"not an idx file of {dimensions} dimensions")
        shape = struct.unpack(f">{dimensions}I", start[4:])
        size = math.prod(shape)
        if size > LARGEST:
            raise ValueError(f"an idx file says it has {size:,} bytes")
        data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"an idx file of other than the {size:,} bytes that it says")
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_cifar(
    archive: Path, members: list[str], label_bytes: int
) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """CIFAR's binary format: labels, then 3072 bytes of red, green and blue planes.

    Args:
        members: files inside the archive, in order.
        label_bytes: 1 in CIFAR-10; 2 (coarse, fine) in CIFAR-100.

    Raises:
        ValueError: a member is not whole records.
        KeyError: a member is missing.
    """
    for data in (_member(archive, member) for member in members):
        size = label_bytes + _CIFAR_PIXELS
        if len(data) % size:
            raise ValueError(f"{len(data)} bytes are not whole records of {size}")
        for record in np.frombuffer(data, np.uint8).reshape(-1, size):
            image = record[label_bytes:].reshape(3, 32, 32).transpose(1, 2, 0)
            yield image, tuple(int(label) for label in record[:label_bytes])


def read_names(archive: Path, member: str) -> list[str]:
    """Class names of a CIFAR archive, one a line."""
    text = _member(archive, member).decode("utf-8")
    return [name for name in text.splitlines() if name]


def _member(archive: Path, member: str) -> bytes:
    """A member's content. It is read into memory: nothing is written, under its name
    or any other, and a link leads nowhere."""
    seen = 0
    with tarfile.open(archive) as tar:
        for info in tar:
            # Before it is unpacked: a small archive can declare any size.
            seen += info.size
            if seen > LARGEST:
                raise ValueError(f"the archive says it has {seen:,} bytes or more")
            if info.name == member:
                file = tar.extractfile(info) if info.isfile() else None
                if file is None:
                    raise ValueError(f"{member} is not a file")
                return file.read()
    raise KeyError(f"{member} is not in the archive")
