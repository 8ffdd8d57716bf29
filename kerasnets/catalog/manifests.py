"""Rows of a manifest: a .csv, .tsv, .jsonl or .parquet file that lists images."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from kerasnets.errors import DatasetError, InstallationError, shown


def rows(place: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows, by column.

    Raises:
        DatasetError: the file is damaged, has a column twice, or has a row with more
            values than columns.
        InstallationError: a package needed to read it is missing.
    """
    ending = place.suffix.lower()
    try:
        if ending == ".parquet":
            yield from _parquet_rows(place)
            return
        with place.open(encoding="utf-8-sig", newline="") as file:
            if ending == ".jsonl":
                for line in file:
                    if line.strip():
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise ValueError("a line is not a JSON object")
                        yield row
            else:
                found = csv.DictReader(
                    file, delimiter="\t" if ending == ".tsv" else ",", strict=True
                )
                _check_once(found.fieldnames or ())
                for number, row in enumerate(found, 1):
                    if any(row.get(None) or ()):
                        raise ValueError(f"row {number} has more values than columns")
                    yield row
    except (ValueError, csv.Error, RecursionError) as error:
        raise DatasetError(f"{shown(place)} is damaged: {shown(error)}.") from error


def _parquet_rows(place: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InstallationError(
            "a .parquet manifest needs pyarrow; install pyarrow, or write a .csv."
        ) from error
    try:
        file = ParquetFile(place)
        _check_once(file.schema_arrow.names)
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    except ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from error


def text(row: Mapping[str, Any], key: str) -> str:
    """A cell with text or a number as text; "" if it is empty.

    Raises:
        ValueError: the value is of another type, or not valid Unicode; the message
            follows the row's number.
    """
    value = row.get(key)
    if value is None or value != value:  # a NaN of pandas is an empty cell
        return ""
    if not isinstance(value, str | int | float | Decimal):
        kind = type(value).__name__
        raise ValueError(f"has a {key} of type {kind}; text or a number is needed.")
    written = str(value)
    try:
        # As Python writes names of files with invalid bytes, which are allowed.
        written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        what = f"has a {key} that is not valid Unicode"
        raise ValueError(f"{what}: {shown(written)}.") from None
    return written


def _check_once(columns: Sequence[str]) -> None:
    for name in ("path", "label", "split"):
        if columns.count(name) > 1:
            raise ValueError(f"it has the column {name!r} twice")
