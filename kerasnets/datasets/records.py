"""The files that TFDS keeps examples in, read without TensorFlow.

Each function yields serialized examples in order.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1000


def read_array_record(path: Path) -> Iterator[bytes]:
    """Examples of an array_record file.

    Raises:
        RuntimeError, IndexError: it is missing, truncated or corrupt.
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
    """Examples of a TFRecord file: length, its checksum, data, its checksum.

    The checksums are left alone: images carry their own.

    Raises:
        OSError: it is missing.
        ValueError: it is truncated.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if length > size - file.tell() - 4:
                raise ValueError(f"truncated in the example at byte {file.tell()}")
            yield file.read(length)
            file.read(4)


READERS = {"array_record": read_array_record, "tfrecord": read_tfrecord}
