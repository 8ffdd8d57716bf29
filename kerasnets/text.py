"""Text for readers: tables, the same in Markdown and on the screen, and numbers."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
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

    def is_number(self, column: int) -> bool:
        return column > 0 and self.columns[column] not in self.words

    def markdown(self) -> str:
        rules = [
            "---:" if self.is_number(index) else "---"
            for index in range(len(self.columns))
        ]
        lines = (self.columns, rules, *self.rows)
        return "\n".join(_markdown_line(line) for line in lines)


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"


def markdown_text(text: str) -> str:
    """Text as Markdown shows it: on one line, nothing in it taken for a sign."""
    escaped = "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in text)
    return " ".join(escaped.split())


def markdown_page(parts: Sequence[str]) -> str:
    """The parts with blank lines between them, but none within a list."""
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        in_list = before.startswith("- ") and part.startswith("- ")
        text += f"{part}\n" if in_list or not before else f"\n{part}\n"
    return text


def percent(share: float | None) -> str:
    """0.9292 -> "92.92%"."""
    return "" if share is None else f"{share:.2%}"


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
