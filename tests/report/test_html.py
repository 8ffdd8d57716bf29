"""Text is never taken for markup."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from kerasnets.report.html import element, joined, table
from kerasnets.text import Table

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], {}, ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes.update(attributes)

    def handle_data(self, data):
        self.text += data


@given(TEXTS, TEXTS)
def test_any_text_is_read_back_as_it_is(text, name):
    reader = Reader()
    reader.feed(joined([element("p", text, title=name), element("b", "end")]))
    reader.close()
    assert reader.tags == ["p", "b"]
    assert reader.attributes == {"title": name}
    assert reader.text == f"{text}end"


def test_formatted_markup_is_text_again():
    assert "&lt;b&gt;" in element("p", f"so {element('b', 'bold')}")


def test_tables_escape_their_cells():
    hostile = "<script>alert(1)</script>"
    found = table(Table(("Run", hostile), ((hostile, hostile),)), hostile)
    assert "<script" not in found
    assert found.count("&lt;script&gt;") == 5
