"""Text is never taken for markup."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasnets.paper.claims import CONFIRMED, Claim
from kerasnets.report.chart import Point, Series, line_chart
from kerasnets.report.render import render
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
    found = render("commands.html.j2", data=[(text, name), ("end", "end")])
    reader.feed(str(found))
    reader.close()
    assert reader.tags == ["h2", "dl", *["dt", "dd", "code"] * 2]
    assert f"{text}{name}\nendend" in reader.text


def read_attributes(title: str, heading: str) -> dict[str, str | None]:
    table = Table(("Run", heading), (("one", "two"),))
    chart = line_chart([Series(0, [Point(1, 1.0, "")])], title=title, x_label="")
    reader = Reader()
    reader.feed(str(render("timing.html.j2", data={"whole": table, "each": []})))
    reader.feed(str(chart))
    reader.close()
    return reader.attributes


@given(TEXTS, TEXTS)
def test_any_text_in_an_attribute_is_read_back_as_it_is(title, heading):
    found = read_attributes(title, heading)
    assert (found["aria-label"], found["data-label"]) == (title, heading)
    assert found.keys() == read_attributes("a", "b").keys()


def test_formatted_markup_is_text_again():
    bold = render("commands.html.j2", data=[("<b>", "")])
    assert "&amp;lt;b&amp;gt;" in render("commands.html.j2", data=[(f"so {bold}", "")])


HOSTILE = "<script>alert(1)</script>"


def test_hostile_class_names_stay_text_in_a_matrix_and_its_images():
    cells = [(HOSTILE, 1, 1.0, 1.0), (f'{HOSTILE}" onclick="x', 0, 0.0, 0.0)]
    names = [name for name, *_ in cells]
    matrix = {
        "label": HOSTILE,
        "figures": {"accuracy": 0.5},
        "positive": HOSTILE,
        "thresholds": [],
        "names": names,
        "rows": [(n, cells) for n in names],
    }
    found = render("confusion.html.j2", data=[matrix])
    reader = Reader()
    reader.feed(str(found))
    assert "<script" not in found and "onclick" not in reader.attributes
    assert found.count("&lt;script&gt;") == 3 + 4 + 4 * 2
    pixels = np.zeros((2, 2, 1), np.uint8)
    pair = {"actual": HOSTILE, "predicted": '"><b>', "count": 1, "total": 2}
    run = {"label": HOSTILE, "drawn": Path("none"), "obstacle": "", "limit": 1}
    found = render(
        "examples.html.j2",
        data=[{**run, "pairs": [{**pair, "images": [(pixels, 0.5)]}]}],
    )
    assert "<script" not in found and "<b>" not in found
    assert 'src="data:image/png;base64,' in found


def test_hostile_messages_stay_text():
    found = render("claims.html.j2", data=[Claim(HOSTILE, HOSTILE, CONFIRMED, HOSTILE)])
    assert "<script" not in found and found.count("&lt;script&gt;") == 3
    series = [Series(0, [Point(1, 1.0, HOSTILE)])]
    chart = line_chart(series, title=HOSTILE, x_label=HOSTILE)
    assert "<script" not in chart and chart.count("&lt;script&gt;") == 5


def test_tables_escape_their_cells():
    table = Table(("Run", HOSTILE), ((HOSTILE, HOSTILE),))
    found = render("timing.html.j2", data={"whole": table, "each": []})
    assert "<script" not in found
    assert found.count("&lt;script&gt;") == 4
