"""Write docs/commands.md from the commands themselves: python docs/commands_page.py

Run it after a command or an option has changed; a test compares the page with this.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from kerasnets.cli.commands import kerasnets

PAGE = Path(__file__).with_name("commands.md")
_INTRODUCTION = """\
# Commands

`kerasnets COMMAND --help` prints the same text. Options that you leave out take the
value in brackets.

<!-- Made by `python docs/commands_page.py`; do not edit. -->
"""


def commands_page() -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION]
    settings = kerasnets.context_settings
    with click.Context(kerasnets, info_name="kerasnets", **settings) as parent:
        for name in kerasnets.list_commands(parent):
            command = kerasnets.get_command(parent, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=parent) as context:
                parts.append("\n".join(_section(name, command, context)))
    return "\n".join(parts)


def _section(name: str, command: click.Command, context: click.Context) -> list[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", "```", usage, "```", "", *_text(command.help or "")]
    options = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context))
    ]
    lines += [f"- `{names}`{_meaning(text)}" for names, text in options]
    return [*lines, ""]


def _text(help_text: str) -> Iterator[str]:
    """The paragraphs; those that click prints as they are become code."""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            title, _, code = paragraph[2:].partition("\n")
            yield from (title, "", "```", inspect.cleandoc(code), "```", "")
        else:
            yield from (paragraph, "")


def _meaning(text: str) -> str:
    text = re.sub(r"([<*\[])", r"\\\1", " ".join(text.split()))
    return f": {text}" if text else ""


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
