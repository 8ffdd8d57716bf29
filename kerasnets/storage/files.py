"""Atomic writing and strict reading of files.

Every file is written under a temporary name, fsynced and renamed, so that a reader
never sees an incomplete file. If the folder has a digests.json, the digest is recorded
there, and checked when the file is read.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar, get_type_hints

from kerasnets.errors import RunError
from kerasnets.storage import digests, schema
from kerasnets.storage.folders import not_a_file

# kerasnets writes no larger files: the predictions for ImageNet's 1.3 million training
# images take 30 MB.
_LARGEST_TEXT = 256_000_000  # bytes
_READINGS = 5  # attempts to read a file that may be being replaced

_Row = TypeVar("_Row", bound=NamedTuple)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which is renamed to `path` once it is on
    disk, or removed if the block raises. The folder must exist.

    Raises:
        RunError: `path` is a folder, pipe or device, which must not be replaced.
    """
    if not_a_file(path):
        raise RunError(f"{path} is not a file, and is not replaced by one.")
    # Keeps the suffix, by which some writers choose their format.
    temporary = path.with_name(f"{digests.TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with digests.replacing(path, temporary):
            temporary.replace(path)
        digests.sync_folder(path.parent)
    except OSError as error:
        # For a full disk, the error does not name the file.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that is renamed to `path` once it is complete and on disk.

    Args:
        path: the final name; its folder must exist.
        mode: "w" for UTF-8 text without newline translation, "wb" for bytes. Characters
            that UTF-8 cannot encode, such as invalid bytes of a file name, are written
            as backslash escapes.
    """
    text: dict[str, Any] = {}
    if "b" not in mode:
        text = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with atomic_path(path) as temporary, temporary.open(mode, **text) as file:
        yield file


def write_text(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a header and rows (RFC 4180, "\\n" line ends)."""
    with atomic_file(path) as file:
        for row in (columns, *rows):
            write_csv_row(file, row)


def write_csv_row(file: IO[str], row: Sequence[Any]) -> None:
    """Write a row (RFC 4180, "\\n" line end)."""
    # Python's csv module writes a lone carriage return unquoted, but then cannot read
    # it.
    if any(isinstance(cell, str) and "\r" in cell for cell in row):
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(file, lineterminator="\n")
    writer.writerow(row)


def read_text(path: Path) -> str:
    """Read a UTF-8 text file without newline translation.

    Raises:
        RunError: the file is missing, not a regular file, not text, too large, or does
            not match its digest.
    """
    try:
        # Check before opening: opening a pipe waits for a writer.
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise RunError(f"{path} is not a file.")
        if state.st_size > _LARGEST_TEXT:
            raise RunError(
                f"{path} has {state.st_size / 1e6:,.0f} MB; no file of a run has more "
                f"than {_LARGEST_TEXT / 1e6:.0f}."
            )
        for _ in range(_READINGS):
            content = path.read_bytes()
            if digests.accepts(path, hashlib.sha256(content).hexdigest()):
                return content.decode("utf-8")
        raise RunError(_not_as_written(path))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not a text file.") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error


def check_digest(path: Path) -> None:
    """Check that a file matches its digest, if that is recorded.

    Raises:
        RunError: it does not match, or cannot be read.
    """
    try:
        for _ in range(_READINGS):
            if digests.accepts(path, digests.digest(path)):
                return
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    raise RunError(_not_as_written(path))


def _not_as_written(path: Path) -> str:
    return f"{path} is damaged: its SHA-256 is not the one in digests.json."


def read_json(
    path: Path, fields: Mapping[str, schema.Field] | None = None
) -> dict[str, Any]:
    """Read a JSON object from a file, and check its fields if `fields` is given.

    Raises:
        RunError: the file is missing or damaged, or a field is invalid.
    """
    try:
        value = schema.parse(read_text(path))
        if fields is not None:
            schema.check(value, fields)
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.") from error
    return value


def read_csv_rows(path: Path) -> Iterator[list[str]]:
    """Yield the header and rows of a CSV file, all of the same length.

    Raises:
        RunError: the file is missing, not text, or not a table.
    """
    text = io.StringIO(read_text(path), newline="")
    width = None
    try:
        for row in csv.reader(text, strict=True):
            width = len(row) if width is None else width
            if len(row) != width:
                raise RunError(f"{path} has a row of {len(row)} values, not {width}.")
            yield row
    except csv.Error as error:
        raise RunError(f"{path} is not a table: {error}.") from error


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file by column name.

    Args:
        columns: required columns; others are allowed.

    Raises:
        RunError: the file is missing, not text, or not a table.
    """
    header, *rows = list(read_csv_rows(path)) or [[]]
    if len(set(header)) < len(header):
        raise RunError(f"{path} has a column twice.")
    missing = [name for name in columns if name not in header]
    if missing:
        raise RunError(f"{path} lacks the column {missing[0]!r}.")
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_rows(
    path: Path, columns: Sequence[str], kind: type[_Row], what: str
) -> list[_Row]:
    """Rows of a CSV file as named tuples.

    Args:
        columns: required columns, in the order of the fields of `kind`.
        kind: a NamedTuple, whose fields' types convert the cells.
        what: the content, for the message.

    Raises:
        RunError: the file is missing or damaged.
    """
    converters = get_type_hints(kind).values()
    try:
        return [
            kind._make(
                convert(row[name])
                for name, convert in zip(columns, converters, strict=True)
            )
            for row in read_csv(path, columns)
        ]
    except ValueError as error:
        raise RunError(f"{path} does not hold {what}.") from error


def remove(path: Path) -> None:
    """Delete a file, if it exists, and its digest."""
    digests.remove(path)
