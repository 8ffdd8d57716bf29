"""Files that are written whole or not at all, and read with care.

Every file is written under a temporary name, fsynced and renamed, so a reader never
meets half a file; where the folder has a digests.json, its digest is recorded there,
and what is read must have it.
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
from typing import IO, Any

from kerasnets.errors import RunError
from kerasnets.storage import digests, schema

# Larger ones are not what kerasnets writes: the predictions of ImageNet's 1.3 million
# training images are 30 MB.
_LARGEST_TEXT = 256_000_000  # bytes
_READINGS = 5  # of a file that is being replaced, before it is called damaged


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which takes the name `path` once it is whole and
    on disk; it is removed instead when the block raises. The folder must exist."""
    # The suffix stays last: some writers choose their format by it.
    temporary = path.with_name(f"{digests.TEMPORARY}{uuid.uuid4().hex}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with digests.replacing(path, temporary):
            temporary.replace(path)
        digests.sync_folder(path.parent)
    except OSError as error:
        # A disk that is full does not say for which file.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that takes the name `path` only once it is whole and on disk.

    Args:
        path: the final name; its folder must exist.
        mode: "w" for UTF-8 text without newline translation, "wb" for bytes. A letter
            that UTF-8 lacks, such as a byte of a file name that is none, is written as
            its number.
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
        writer = csv.writer(file, lineterminator="\n")
        # Python's csv module writes a lone carriage return unquoted, which it then
        # refuses to read.
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in (columns, *rows):
            returns = any(isinstance(cell, str) and "\r" in cell for cell in row)
            (quoting if returns else writer).writerow(row)


def read_text(path: Path) -> str:
    """A UTF-8 text file, its line ends as they are.

    Raises:
        RunError: it is missing, not an ordinary file, not text, too large, or not what
            was written.
    """
    try:
        # Before it is opened: opening a pipe waits for a writer.
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
    """Check that a file is what was written, where its digest is recorded.

    Raises:
        RunError: it is not, or cannot be read.
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
    """A JSON object from a file, with the fields of `fields` where they are given.

    Raises:
        RunError: the file is missing or damaged, or a field is not as it should be.
    """
    try:
        value = schema.parse(read_text(path))
        if fields is not None:
            schema.check(value, fields)
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}.") from error
    return value


def read_csv_rows(path: Path) -> Iterator[list[str]]:
    """The header and rows of a CSV file, all of the same length.

    Raises:
        RunError: the file is missing, not text, or not such a table.
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
        columns: those that must be there; others may be.

    Raises:
        RunError: the file is missing, not text, or not such a table.
    """
    header, *rows = list(read_csv_rows(path)) or [[]]
    if len(set(header)) < len(header):
        raise RunError(f"{path} has a column twice.")
    missing = [name for name in columns if name not in header]
    if missing:
        raise RunError(f"{path} lacks the column {missing[0]!r}.")
    return [dict(zip(header, row, strict=True)) for row in rows]


def remove(path: Path) -> None:
    """Delete a file, if it is there, and its digest."""
    digests.remove(path)
