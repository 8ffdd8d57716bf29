"""Readers of the published archives of MNIST and CIFAR, without TensorFlow.

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
    """Read MNIST's format: a gzipped big-endian header and the bytes.

    Raises:
        ValueError: the files have another format, or do not match each other.
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
            raise ValueError(f"an idx file declares {size:,} bytes")
        data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"an idx file does not have the {size:,} bytes it declares")
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_cifar(
    archive: Path, members: list[str], label_bytes: int
) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """Read CIFAR's binary format: labels, then 3072 bytes of R, G and B planes.

    Args:
        members: files inside the archive, in order.
        label_bytes: 1 in CIFAR-10; 2 (coarse, fine) in CIFAR-100.

    Raises:
        ValueError: a member's size is not a multiple of a record's.
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
    """Class names of a CIFAR archive, which has one per line."""
    text = _member(archive, member).decode("utf-8")
    return [name for name in text.splitlines() if name]


def _member(archive: Path, member: str) -> bytes:
    """A member's content, read into memory. Nothing is extracted to disk, and links are
    refused."""
    seen = 0
    with tarfile.open(archive) as tar:
        for info in tar:
            # Check before unpacking: a small archive can declare any size.
            seen += info.size
            if seen > LARGEST:
                raise ValueError(f"the archive declares {seen:,} bytes or more")
            if info.name == member:
                file = tar.extractfile(info) if info.isfile() else None
                if file is None:
                    raise ValueError(f"{member} is not a file")
                return file.read()
    raise KeyError(f"{member} is not in the archive")
