"""Formatted text: pages, tables and numbers.

This module renders Markdown; kerasnets.cli.tables prints to a terminal, and the
report's templates render HTML.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


class Code(str):
    """A command or a name, set in a fixed-width font."""


Text = str | tuple[str, ...]
"""Plain text, or a sequence of plain text and `Code`. It contains no markup."""


@dataclass(frozen=True)
class Table:
    """A table of formatted cells.

    Attributes:
        columns: headings. The first column holds names, the others numbers unless they
            are in `words`.
        rows: one cell per column; "" if empty.
        words: headings of columns that do not hold numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, columns: Mapping[str, Sequence[str]], words: tuple[str, ...] = ()
    ) -> "Table":
        """Build a table from the cells of each column."""
        return cls(tuple(columns), tuple(zip(*columns.values(), strict=True)), words)

    def is_number(self, column: int) -> bool:
        return column > 0 and self.columns[column] not in self.words

    def markdown(self) -> str:
        rules = [
            "---:" if self.is_number(index) else "---"
            for index in range(len(self.columns))
        ]
        texts = [map(markdown_text, line) for line in (self.columns, *self.rows)]
        lines = [texts[0], rules, *texts[1:]]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Heading:
    """A heading inside a page, of level 2 or deeper."""

    text: str
    level: int = 2

    def markdown(self) -> str:
        return f"{'#' * self.level} {markdown_text(self.text)}"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. A page's parts may also contain paragraphs as plain text."""

    text: Text

    def markdown(self) -> str:
        return markdown_text(self.text, prose=True)


@dataclass(frozen=True)
class Bullets:
    """A bulleted list; on a terminal, `lead` precedes each line."""

    lines: Sequence[Text]
    lead: str = ""

    def markdown(self) -> str:
        return "\n".join(f"- {markdown_text(line)}" for line in self.lines)


@dataclass(frozen=True)
class Figure:
    """An image in a file next to the page."""

    name: str
    caption: str

    def markdown(self) -> str:
        return f"![{markdown_text(self.caption)}]({self.name})"


Part = str | Paragraph | Heading | Bullets | Table | Figure


@dataclass(frozen=True)
class Page:
    """A page that can be rendered as Markdown or on a terminal.

    Attributes:
        title: the first heading.
        parts: the content, in order; empty lists are omitted.
        brief: the parts that a terminal shows.
    """

    title: str
    parts: tuple[Part, ...]
    brief: tuple[str | Bullets | Table, ...] = ()

    def _parts(self) -> Iterable[Heading | Paragraph | Bullets | Table | Figure]:
        for part in (Heading(self.title, level=1), *self.parts):
            yield Paragraph(part) if isinstance(part, str) else part

    def markdown(self) -> str:
        texts = (part.markdown() for part in self._parts())
        return "\n\n".join(text for text in texts if text) + "\n"


def plain(text: Text) -> str:
    return text if isinstance(text, str) else "".join(text)


def markdown_text(text: Text, *, prose: bool = False) -> str:
    """Text as Markdown on one line, with special characters escaped.

    Args:
        prose: do not escape underscores inside words, where they are not special.
    """
    return " ".join(_escaped(text, _PROSE_SIGNS if prose else _SIGNS).split())


_SIGNS = re.compile(r"[\\|`*_\[\]<>#]")
_PROSE_SIGNS = re.compile(r"[\\|`*\[\]<>#]|(?<![^\W_])_|_(?![^\W_])")


def _escaped(text: Text, signs: re.Pattern[str]) -> str:
    if isinstance(text, tuple):
        return "".join(_escaped(piece, signs) for piece in text)
    if isinstance(text, Code):
        return f"`` {text} ``" if "`" in text else f"`{text}`"
    return signs.sub(r"\\\g<0>", text)


def number(value: float | None, form: str) -> str:
    """A number formatted by a format specification such as ",.1f"; "" for None."""
    return "" if value is None else format(value, form)


def rate(per_second: float | None) -> str:
    """61.325 -> "61.3", 1423.4 -> "1,423"; "" for None."""
    return number(per_second, ",.1f" if (per_second or 0) < 99.95 else ",.0f")


def percent(share: float | None) -> str:
    """0.9292 -> "92.92%"."""
    return number(share, ".2%")


def spaced_percent(share: float) -> str:
    """0.9292 -> "92.92 %", as in a study's pages."""
    return f"{100 * share:.2f} %"


def points(difference: float) -> str:
    """0.0117 -> "+1.17": percentage points."""
    return f"{100 * difference:+.2f}"


def giga(number: float) -> str:
    """146_319_360 -> "0.146": three digits, in 10^9."""
    return f"{number / 1e9:.3g}"


def millions(number: int) -> str:
    """21_283_530 -> "21.28 M"."""
    return f"{number / 1e6:.2f} M"


def p_value(p: float) -> str:
    """0.0123 -> "0.012"; a value that underflows is "< 1e-307", not 0."""
    if p < sys.float_info.min:
        return "< 1e-307"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def file_size(size: float) -> str:
    """Bytes as readable text: "0.4 kB", "12 MB", "1.3 GB" (powers of 1000)."""
    size /= 1000
    units = ["kB", "MB", "GB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:,.{1 if size < 9.95 else 0}f} {units[0]}"


def duration(seconds: float | None) -> str:
    """Seconds as readable text: "42 s", "3 min 20 s", "2 h 05 min"; "" for None."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
