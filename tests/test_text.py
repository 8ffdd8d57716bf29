"""One page reads alike in Markdown and on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.cli.tables import print_page
from kerasnets.text import (
    Bullets,
    Code,
    Figure,
    Page,
    Paragraph,
    Table,
    markdown_text,
    rate,
)

TABLE = Table.of({"run": ["a|b", "c"], "epochs": ["1", ""]})


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


@pytest.mark.parametrize(
    ("per_second", "written"),
    [(1423.4, "1,423"), (99.96, "100"), (61.325, "61.3"), (3.41, "3.4"), (None, "")],
)
def test_a_slow_rate_keeps_a_decimal(per_second, written):
    assert rate(per_second) == written
