"""What is read is what was written."""

import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from kerasnets.errors import RunError
from kerasnets.storage import digests
from kerasnets.storage.files import (
    check_digest,
    read_csv,
    read_json,
    read_rows,
    read_text,
    write_csv,
    write_text,
)

READERS = {
    "text": read_text,
    "json": read_json,
    "csv": read_csv,
    "digest": check_digest,
}


@pytest.fixture
def file(tmp_path):
    digests.begin(tmp_path)
    write_text(tmp_path / "file", '{"a": 1}\n')
    return tmp_path / "file"


@pytest.mark.parametrize("reader", READERS)
def test_a_flipped_bit_is_never_read(file, reader):
    whole = file.read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        with pytest.raises(RunError, match="file is damaged: its SHA-256 is not"):
            READERS[reader](file)
    file.write_bytes(whole)
    READERS[reader](file)


def test_files_of_others_are_read(file):
    (file.parent / "another").write_text("anything")
    assert read_text(file.parent / "another") == "anything"


def test_where_the_digests_are_damaged_files_are_read(file):
    (file.parent / digests.NAME).write_text("{}")
    assert read_json(file) == {"a": 1}


def test_a_file_that_is_being_replaced_is_not_called_damaged(file):
    code = (
        "import sys; from pathlib import Path; from kerasnets.storage import files\n"
        "for n in range(300):\n"
        "    files.write_text(Path(sys.argv[1]), str(n))\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(file)])
    seen = set()
    while writer.poll() is None:
        seen.add(read_text(file))
    assert writer.returncode == 0
    assert read_text(file) == "299"
    assert len(seen) > 3


class Row(NamedTuple):
    name: str
    share: float
    count: int


def test_rows_have_the_types_of_their_fields(tmp_path):
    path = tmp_path / "rows.csv"
    columns = ("class", "share", "count")
    rows = [Row("a,b", 0.5, 3), Row("", 1.0, 0)]
    write_csv(path, columns, rows)
    assert read_rows(path, columns, Row, "rows") == rows
    path.write_text("count,class,share\n3,a,many\n")
    with pytest.raises(RunError, match=r"rows\.csv does not hold rows\.$"):
        read_rows(path, columns, Row, "rows")
    path.write_text("class,share\na,1\n")
    with pytest.raises(RunError, match="lacks the column 'count'"):
        read_rows(path, columns, Row, "rows")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_or_a_link_to_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    before = sorted(tmp_path.iterdir())
    for path in before:
        with pytest.raises(RunError, match="is not a file"):
            write_text(path, "text")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "link").is_symlink()
