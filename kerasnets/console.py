"""Printing text to a terminal or pipe of any encoding.

Characters that an encoding lacks are written in ASCII: symbols by a similar character
("×" as "x"), others as Python's backslash escapes.
"""

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_LIKE = {
    "×": "x",
    "·": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "±": "+/-",
    "≤": "<=",
    "≥": ">=",
    "µ": "u",
    "“": '"',
    "”": '"',
    "‘": "'",  # noqa: RUF001
    "’": "'",  # noqa: RUF001
    "\N{NO-BREAK SPACE}": " ",
}
_HANDLER = "kerasnets-like"
_ASCII = "kerasnets_ascii"


def _alike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(map(_written, letters)), error.end


def _written(letter: str) -> str:
    if "\u2500" <= letter <= "\u257f":  # box drawing
        return {"\u2500": "-", "\u2501": "-", "\u2502": "|", "\u2503": "|"}.get(
            letter, "+"
        )
    return _LIKE.get(letter) or letter.encode("ascii", "backslashreplace").decode()


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name, as click replaces streams whose encoding is named ASCII
    by UTF-8 ones."""
    if name != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        known.streamreader,
        known.streamwriter,
        known.incrementalencoder,
        known.incrementaldecoder,
        name,
    )


codecs.register_error(_HANDLER, _alike)
codecs.register(_ascii)


def line(text: str) -> str:
    """Text on a single line, with control characters escaped: a foreign name must not
    break the line or move the cursor."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


@contextlib.contextmanager
def printable() -> Iterator[None]:
    """Make standard output and error accept every character within the block."""
    before = []
    for stream in (sys.stdout, sys.stderr):
        # Skip a notebook's streams, and closed ones.
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            before.append((stream, stream.encoding, stream.errors))
            ascii_alone = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(
                encoding=_ASCII if ascii_alone else None, errors=_HANDLER
            )
    try:
        yield
    finally:
        for stream, encoding, errors in before:
            with contextlib.suppress(OSError, ValueError):  # closed, at either end
                stream.reconfigure(encoding=encoding, errors=errors)


def console(**options: Any) -> "Console":
    """A rich console that prints text verbatim: "[/x]" or ":smile:" in a foreign name
    is neither markup nor an emoji. For styles, pass `rich.text.Text`."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Raise, where rich would end the process."""
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return Plain(highlight=False, markup=False, emoji=False, **options)
