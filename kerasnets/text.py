"""Text for readers: tables, pages and numbers.

Here they become Markdown; kerasnets.cli.tables prints them on a terminal, and the
report's templates set them as HTML.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


class Code(str):
    """A command or a name, set in a fixed-width font."""


Text = str | tuple[str, ...]
"""Plain text, or pieces of it of which some are `Code`. No sign in it is markup."""


@dataclass(frozen=True)
class Table:
    """Cells as they are read.

    Attributes:
        columns: headings; the first column is of names, the others of numbers unless
            they are in `words`.
        rows: one cell a column; "" where there is nothing to say.
        words: headings of the columns that are no numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, columns: Mapping[str, Sequence[str]], words: tuple[str, ...] = ()
    ) -> "Table":
        """From each column's cells."""
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
    """A heading inside a page: level 2 or deeper."""

    text: str
    level: int = 2

    def markdown(self) -> str:
        return f"{'#' * self.level} {markdown_text(self.text)}"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. In a page's parts plain text is one, too."""

    text: Text

    def markdown(self) -> str:
        return markdown_text(self.text, prose=True)


@dataclass(frozen=True)
class Bullets:
    """A list of lines; `lead` stands before each on a terminal."""

    lines: Sequence[Text]
    lead: str = ""

    def markdown(self) -> str:
        return "\n".join(f"- {markdown_text(line)}" for line in self.lines)


@dataclass(frozen=True)
class Figure:
    """An image beside the page: the name of its file, and what it shows."""

    name: str
    caption: str

    def markdown(self) -> str:
        return f"![{markdown_text(self.caption)}]({self.name})"


Part = str | Paragraph | Heading | Bullets | Table | Figure


@dataclass(frozen=True)
class Page:
    """A page, of which Markdown and what a terminal shows are renderings.

    Attributes:
        title: its first heading.
        parts: what follows, in order; empty lists are left out.
        brief: what of it a terminal shows.
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
    """Text as Markdown shows it: on one line, nothing in it taken for a sign.

    Args:
        prose: leave underscores inside a word, which are no signs, as they are.
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
    """A number in a form of Python's `format`, such as ",.1f"; "" for None."""
    return "" if value is None else format(value, form)


def percent(share: float | None) -> str:
    """0.9292 -> "92.92%"."""
    return number(share, ".2%")


def spaced_percent(share: float) -> str:
    """0.9292 -> "92.92 %", as a study's pages write it."""
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
    """0.0123 -> "0.012"; one that is too small for a number is not called 0."""
    if p < sys.float_info.min:
        return "< 1e-307"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def file_size(size: float) -> str:
    """Bytes as people write them: "0.4 kB", "12 MB", "1.3 GB" (powers of 1000)."""
    size /= 1000
    units = ["kB", "MB", "GB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:,.{1 if size < 9.95 else 0}f} {units[0]}"


def duration(seconds: float) -> str:
    """Seconds as people write them: "42 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
