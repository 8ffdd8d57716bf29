"""Text on its way to a screen or a pipe, whatever letters these know.

What an encoding lacks is written in ASCII: a sign by its like ("×" as "x"), any other
letter by its number, as Python does.
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
    if "\u2500" <= letter <= "\u257f":  # lines of a table
        return {"\u2500": "-", "\u2501": "-", "\u2502": "|", "\u2503": "|"}.get(
            letter, "+"
        )
    return _LIKE.get(letter) or letter.encode("ascii", "backslashreplace").decode()


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name: click replaces a stream that is called ASCII by one of its
    own in UTF-8."""
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
    """Text that stays on one line: a name from elsewhere must not begin another, nor
    move the cursor."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


@contextlib.contextmanager
def printable() -> Iterator[None]:
    """Let standard output and error print every letter while the block lasts."""
    before = []
    for stream in (sys.stdout, sys.stderr):
        # Not a notebook's, and none that is closed.
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
            with contextlib.suppress(OSError, ValueError):  # closed, or its reader has
                stream.reconfigure(encoding=encoding, errors=errors)


def console(**options: Any) -> "Console":
    """A console that prints text as it is: names come from elsewhere, and "[/x]" or
    ":smile:" in one is neither a style nor a picture. Styles are `rich.text.Text`."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """The caller decides; rich would end the process."""
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return Plain(highlight=False, markup=False, emoji=False, **options)
