"""Readers of TFDS's file formats, without TensorFlow.

Each function yields serialized examples in order.
"""

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

_CHUNK = 1000  # examples


def read_array_record(path: Path) -> Iterator[bytes]:
    """Examples of an array_record file.

    Raises:
        RuntimeError, IndexError: the file is missing, truncated or corrupt.
    """
    from array_record.python.array_record_module import ArrayRecordReader

    reader = ArrayRecordReader(str(path))
    try:
        count = reader.num_records()
        for begin in range(0, count, _CHUNK):
            yield from reader.read(begin, min(begin + _CHUNK, count))
    finally:
        reader.close()


def read_tfrecord(path: Path) -> Iterator[bytes]:
    """Examples of a TFRecord file; a record is length, checksum, data, checksum.

    Raises:
        OSError: the file is missing.
        ValueError: the file is truncated, or a checksum does not match.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if length > size - file.tell() - 4:
                raise ValueError(f"truncated in the example at byte {file.tell()}")
            record = file.read(length)
            stored = struct.unpack("<2I", header[8:] + file.read(4))
            if stored != (masked_crc32c(header[:8]), masked_crc32c(record)):
                raise ValueError("the checksum of an example does not match")
            yield record


def masked_crc32c(data: bytes) -> int:
    """The masked CRC32C of TFRecord files, 32 bits."""
    plain = google_crc32c.value(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_parquet(path: Path) -> Iterator[bytes]:
    """Examples of a Parquet file, which are in its only column.

    Raises:
        OSError, KeyError, pyarrow.ArrowException: the file is missing, truncated or
            corrupt. Its pages have no checksums.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_CHUNK, columns=["data"]):
            yield from batch["data"].to_pylist()


def read_bagz(path: Path) -> Iterator[bytes]:
    """Examples of a Bagz file.

    Raises:
        ImportError: the package bagz is not installed.
        OSError, ValueError: the file is missing, truncated or corrupt. Its records have
            no checksums.
    """
    import bagz

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with tempfile.TemporaryDirectory(prefix="kerasnets-") as folder:
        # Through a plain name: Bagz interprets some characters as a file pattern.
        plain = Path(folder, path.name)
        plain.symlink_to(path.absolute())
        yield from bagz.Reader(str(plain))


READERS = {
    "array_record": read_array_record,
    "tfrecord": read_tfrecord,
    "parquet": read_parquet,
    "bagz": read_bagz,
}
