"""HTML in which nothing is taken for markup by mistake.

Text becomes part of a page through `element` alone, which escapes whatever is not
`Html`. Joining or formatting `Html` gives plain text again, which is escaped: what is
forgotten is shown, never run.
"""

import base64
from collections.abc import Callable, Iterable
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from kerasnets.text import Table

_WITHOUT_END = frozenset({"img", "meta"})


class Html(str):
    """Text that is markup already."""


def element(
    tag: str, /, *children: str, **attributes: str | float | bool | None
) -> Html:
    """A tag with what is in it.

    Args:
        tag: its name.
        children: escaped unless they are `Html`.
        attributes: `class_` is written "class", `data_x` "data-x"; True is written
            without a value, None and False not at all.
    """
    words = [tag]
    for key, value in attributes.items():
        written = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(written)
        elif value is not None and value is not False:
            words.append(f'{written}="{escape(str(value))}"')
    start = f"<{' '.join(words)}>"
    if tag in _WITHOUT_END:
        return Html(start)
    return Html(f"{start}{joined(children)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Html:
    """The parts after each other, those that are not `Html` escaped."""
    return Html(
        between.join(part if isinstance(part, Html) else escape(part) for part in parts)
    )


def section(name: str, title: str, *children: str) -> Html:
    """A part of the page; `name` is what links to it say."""
    return element("section", element("h2", title), *children, id=name)


def paragraph(text: str, kind: str | None = None) -> Html:
    return element("p", text, class_=kind)


def bullets(lines: Iterable[str]) -> Html:
    items = [element("li", line) for line in lines]
    return element("ul", *items) if items else Html()


def folded(title: str, *children: str) -> Html:
    """Something that is shown when its title is pressed, and in print."""
    return element("details", element("summary", title), *children)


def table(
    text: Table, title: str, mark: Callable[[str], str | None] = lambda cell: None
) -> Html:
    """A table which on a narrow screen becomes a list of its rows.

    Args:
        title: what it holds, for those who do not see it.
        mark: gives a cell's class from its text.
    """
    head = element("tr", *(element("th", name, scope="col") for name in text.columns))
    rows = []
    for row in text.rows:
        cells = [element("th", row[0], scope="row")]
        for index, cell in enumerate(row[1:], start=1):
            kinds = ["n" if text.is_number(index) else None, mark(cell)]
            cells.append(
                element(
                    "td",
                    cell,
                    class_=" ".join(filter(None, kinds)) or None,
                    data_label=text.columns[index],
                )
            )
        rows.append(element("tr", *cells))
    whole = element(
        "table", element("thead", head), element("tbody", *rows), class_="listed"
    )
    return scrolled(whole, title)


def scrolled(content: Html, title: str) -> Html:
    """What may be wider than the page; the keyboard can reach and scroll it."""
    return element(
        "div", content, class_="scroll", role="region", aria_label=title, tabindex=0
    )


def picture(path: Path, alternative: str) -> Html:
    """A PNG file, inside the page."""
    return element("img", src=_data(path.read_bytes()), alt=alternative, loading="lazy")


def thumbnail(pixels: np.ndarray, alternative: str) -> Html:
    """An image, uint8 [H, W, 1 or 3], inside the page."""
    grey = pixels.shape[-1] == 1
    file = BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG", optimize=True)
    return element("img", src=_data(file.getvalue()), alt=alternative, class_="pixels")


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
