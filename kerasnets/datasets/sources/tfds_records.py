"""The files that TFDS keeps examples in, read without TensorFlow.

Each function yields serialized examples in order.
"""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

_CHUNK = 1000  # examples
_CHUNK_BYTES = 16_000_000


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

    Raises:
        OSError: it is missing.
        ValueError: it is truncated, or a checksum is another.
    """
    for chunk in _chunks(path):
        lengths, length_sums, records, sums = zip(*chunk, strict=True)
        for parts, stored in ((lengths, length_sums), (records, sums)):
            if (masked(crc32c(parts)) != np.frombuffer(b"".join(stored), "<u4")).any():
                raise ValueError("an example has another checksum than it had")
        yield from records


def _chunks(path: Path) -> Iterator[list[tuple[bytes, bytes, bytes, bytes]]]:
    """The four parts of each example, some examples at a time."""
    with path.open("rb") as file:
        size = path.stat().st_size
        chunk, held = [], 0
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if length > size - file.tell() - 4:
                raise ValueError(f"truncated in the example at byte {file.tell()}")
            chunk.append((header[:8], header[8:], file.read(length), file.read(4)))
            held += length
            if len(chunk) == _CHUNK or held > _CHUNK_BYTES:
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk


def read_parquet(path: Path) -> Iterator[bytes]:
    """Examples of a Parquet file, which TFDS gives one column.

    Raises:
        OSError, KeyError, pyarrow.ArrowException: it is missing, truncated or corrupt.
            Its pages have no checksums.
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
        # By a name without what Bagz takes for a pattern of several files.
        plain = Path(folder, path.name)
        plain.symlink_to(path.absolute())
        yield from bagz.Reader(str(plain))


READERS = {
    "array_record": read_array_record,
    "tfrecord": read_tfrecord,
    "parquet": read_parquet,
    "bagz": read_bagz,
}


_POLYNOMIAL = 0x82F63B78  # reversed


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _table()


def crc32c(records: Sequence[bytes]) -> np.ndarray:
    """The checksum of each record, uint32 [records].

    The records are gone through side by side, a byte at a time, so that NumPy does for
    a thousand of them what would take Python a thousand times as long.
    """
    order = sorted(range(len(records)), key=lambda row: len(records[row]), reverse=True)
    lengths = np.array([len(records[row]) for row in order], np.int64)
    longest = int(lengths.max(initial=0))
    bytes_by_place = np.zeros((longest, len(order)), np.uint8)
    for column, row in enumerate(order):
        bytes_by_place[: lengths[column], column] = np.frombuffer(
            records[row], np.uint8
        )
    sums = np.full(len(order), 0xFFFFFFFF, np.uint32)
    # How many records, the longest first, have a byte at each place.
    reaching = np.searchsorted(-lengths, -np.arange(longest), side="left")
    for place, count in enumerate(reaching):
        begun = sums[:count]
        begun[:] = _TABLE[(begun ^ bytes_by_place[place, :count]) & 0xFF] ^ begun >> 8
    found = np.empty_like(sums)
    found[order] = ~sums
    return found


def masked(sums: np.ndarray) -> np.ndarray:
    """The form in which TFRecord files store checksums, uint32."""
    return (sums >> 15 | sums << 17) + np.uint32(0xA282EAD8)
