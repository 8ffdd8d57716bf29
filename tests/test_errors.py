"""Messages that a person can act on."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasnets.recipe  # noqa: F401 - it adds the names of its options
from kerasnets.errors import command, command_line, option

WORDS = [
    "plain",
    "",
    "two words",
    "[/x] & $HOME `id` *",
    'it\'s "quoted" \\ ',
    "two\nlines",
    "chat\N{NO-BREAK SPACE}noir",
    "\x1b[2J",
    "日本語",
    "caf\udce9",  # a byte that is not UTF-8
]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_command_line_can_be_pasted():
    line = command("printf", "%s\\0", *WORDS, Path("-x"))
    assert "\n" not in line
    result = subprocess.run(
        ["bash", "-c", os.fsencode(line)], capture_output=True, check=True
    )
    assert result.stdout.split(b"\0") == [*map(os.fsencode, [*WORDS, "./-x"]), b""]


@given(word=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_word_stays_on_one_line(word):
    assert command(word).isprintable()


@pytest.mark.parametrize(
    ("name", "value", "in_python", "on_command_line"),
    [
        ("batch_size", 5, "batch_size=5", "--batch-size 5"),
        ("batch_norm", True, "batch_norm=True", "--bn"),
        ("batch_norm", False, "batch_norm=False", "--no-bn"),
        ("data_dir", None, "data_dir", "--data-dir"),
    ],
)
def test_an_option_is_named_as_its_user_writes_it(
    name, value, in_python, on_command_line
):
    assert option(name, value) == in_python
    with command_line():
        assert option(name, value) == on_command_line
