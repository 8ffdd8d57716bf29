"""Whatever a name or a terminal is like, what there is to say is printed."""

import io
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.console import console, line, printable

# Half characters (surrogates) too.
ANY_TEXT = st.lists(st.characters() | st.sampled_from("a×\udcff\ud800\x1b")).map(
    "".join
)


def printed(text: str, encoding: str) -> str:
    """What reaches a stream of that encoding through each way of printing."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with printable():
            print(text)
            click.echo(text)
            console(soft_wrap=True).print(text)
    assert (stream.encoding, stream.errors) == (encoding, "strict")
    return stream.buffer.getvalue().decode(encoding)


def test_what_an_encoding_lacks_is_written_in_ascii():
    text = "3×3 – “é” ≥ 日 …"
    assert printed(text, "utf-8") == f"{text}\n" * 3
    assert printed(text, "ascii") == '3x3 - "\\xe9" >= \\u65e5 ...\n' * 3
    assert printed(text, "latin-1") == '3×3 - "é" >= \\u65e5 ...\n' * 3
    assert printed("caf\udce9", "utf-8") == "caf\\udce9\n" * 3


@given(text=ANY_TEXT, encoding=st.sampled_from(["ascii", "utf-8", "cp1252"]))
def test_any_text_can_be_printed(text, encoding):
    printed(text, encoding)


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_streams_that_are_no_files_are_left_alone(stream, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    with printable():
        assert sys.stdout is stream


@pytest.mark.parametrize("name", ["[/x]", "[red]x[/]", ":smile:", "\\[x]", "[[["])
def test_a_name_is_no_markup(name, capsys):
    from rich.table import Table

    table = Table(name, title=name, caption=name, box=None)
    table.add_row(name)
    console().print(table)
    console().print(name)
    assert [word for word in capsys.readouterr().out.split() if word] == [name] * 5


@given(text=ANY_TEXT)
def test_a_line_is_one_line(text):
    written = line(text)
    assert written.isprintable()
    assert line(written) == written
