"""One page reads alike in Markdown, in HTML and on a terminal."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.cli.tables import print_page
from kerasnets.text import (
    Bullets,
    Code,
    Figure,
    Heading,
    Page,
    Paragraph,
    Table,
    markdown_text,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
TABLE = Table.of({"run": ["a|b", "c"], "epochs": ["1", ""]})


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@given(TEXTS)
def test_no_text_is_taken_for_html(text):
    words = Paragraph((text, Code(text)))
    table = Table((text,), ((text,),))
    parts = (text, words, Bullets([text]), Heading(text), table, Figure(text, text))
    reader = Reader()
    reader.feed(Page(text, parts).html())
    reader.close()
    expected = "h1 p p code ul li h2 table thead tr th tbody tr th img"
    assert reader.tags == expected.split()
    assert reader.text.replace("\n", "") == (8 * text).replace("\n", "")


@given(st.text(st.sampled_from("ab_*`<[#\\| "), min_size=1), st.booleans())
def test_markdown_keeps_every_letter_and_no_sign(text, prose):
    written = markdown_text(text, prose=prose)
    assert re.sub(r"\\(.)", r"\1", written) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(\\\\)*[*`<\[#|]", written)
    assert not re.search(r"(?<![\w\\])_|(?<!\\)_(?!\w)", re.sub(r"\\.", "\\.", written))


def test_names_with_underscores_stay_legible():
    written = Paragraph(("stage1_conv1 of _x_ ", Code("a_b"))).markdown()
    assert written == "stage1_conv1 of \\_x\\_ `a_b`"
    assert markdown_text("a_b") == "a\\_b"


def test_markdown_has_a_blank_line_between_parts_and_none_for_empty_lists():
    parts = ("One.", Bullets([]), Bullets(["a", "b"]), TABLE, Figure("f.png", "F"))
    assert Page("T", parts).markdown() == (
        "# T\n\nOne.\n\n- a\n- b\n\n"
        "| run | epochs |\n| --- | ---: |\n| a\\|b | 1 |\n| c |  |\n\n![F](f.png)\n"
    )


def test_a_terminal_shows_the_brief(capsys):
    notes, empty = Bullets(["no\nline", "b"], lead="note: "), Table(("x",), ())
    print_page(Page("T", ("One.",), ("Two.", empty, TABLE, "Three.", notes)))
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        *("Two.", "", "run  epochs", "a|b       1", "c", ""),
        *("Three.", "note: no\\nline", "note: b"),
    ]


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        Table.of({"a": ["1", "2"], "b": ["1"]})
