"""Pages and tables on a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from kerasnets import text
from kerasnets.console import console, line
from kerasnets.errors import shown

if TYPE_CHECKING:
    from rich.console import Console

_FILE_WIDTH = 200  # characters; for a file or a pipe


def print_page(page: text.Page) -> None:
    """Print the part of a page that is meant for a terminal, without empty tables."""
    after_text = False
    for part in page.brief:
        if not isinstance(part, text.Table):
            bullets = part if isinstance(part, text.Bullets) else text.Bullets([part])
            for one in bullets.lines:
                click.echo(f"{bullets.lead}{line(text.plain(one))}")
            after_text = True
        elif part.rows:
            if after_text:
                click.echo()
            print_table(part)
            click.echo()
            after_text = False


def print_table(
    cells: text.Table,
    caption: str = "",
    *,
    styles: Mapping[str, str] | None = None,
    wrap: bool = False,
    screen: "Console | None" = None,
) -> None:
    """Print a table, or a list of its rows if the screen is too narrow for it.

    Args:
        caption: printed below the table.
        styles: rich's style for each cell with exactly this text.
        wrap: break the lines of the last column, and if necessary of the first,
            rather than print a list.
        screen: standard output unless given.
    """
    from rich.console import JustifyMethod
    from rich.table import Table
    from rich.text import Text

    screen = screen or _standard_output()
    styles = styles or {}
    table = Table(box=None, header_style="bold")
    last = len(cells.columns) - 1
    for index, column in enumerate(cells.columns):
        side: JustifyMethod = "right" if cells.is_number(index) else "left"
        breaks = not wrap or index in (0, last)
        table.add_column(
            shown(column), justify=side, overflow="fold", no_wrap=not breaks
        )
    for row in cells.rows:
        table.add_row(*(Text(shown(cell), styles.get(cell, "")) for cell in row))
    # Measured on a very wide screen, because a measurement is cut at the width.
    width = screen.measure(table, options=screen.options.update(max_width=10_000))
    if (width.minimum if wrap else width.maximum) <= screen.width:
        screen.print(table)
    else:
        for first, *others in cells.rows:
            screen.print(Text(shown(first), "bold"))
            for column, cell in zip(cells.columns[1:], others, strict=True):
                if cell:
                    value = Text(shown(cell), styles.get(cell, ""))
                    screen.print(Text(f"  {shown(column)}: ").append_text(value))
    if caption:
        screen.print(Text(shown(caption), "dim"))


def _standard_output() -> "Console":
    screen = console()
    if not screen.is_terminal:
        screen.width = _FILE_WIDTH
    return screen
