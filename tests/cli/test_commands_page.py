"""docs/commands.md is what the commands say."""

import runpy
from pathlib import Path

from kerasnets.cli.commands import kerasnets

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_commands_is_current():
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(DOCS / "commands_page.py"))["commands_page"]()
    assert page == made, "run: python docs/commands_page.py"


def test_every_command_has_a_section_with_its_options():
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    for name, command in kerasnets.commands.items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            if option.param_type_name == "option":
                assert f"`{option.opts[0]}" in section, (name, option.opts)
