"""The published archives of MNIST and CIFAR, read with Python alone.

Each function yields images as uint8 [H, W, C] with their labels, in published order.
"""

import gzip
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

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
    with gzip.open(path) as file:
        data = file.read()
    header = 4 + 4 * dimensions
    # Two zero bytes, the type (8: unsigned byte), the number of dimensions.
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"not an idx file of {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    array = np.frombuffer(data, np.uint8, offset=header)
    if array.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"an idx file of {array.size} bytes says it has {shape}")
    return array.reshape(shape)


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
    with tarfile.open(archive) as tar:
        file = tar.extractfile(member)  # into memory: nothing is written by its name
        if file is None:
            raise ValueError(f"{member} is not a file")
        return file.read()
