"""Pages name files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
FOLDERS = ("kerasnets", "cli", "tests", "docs", "examples")
FILES = [str(file) for name in FOLDERS for file in (ROOT / name).rglob("*.py")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_names_is_there(page):
    named = set(re.findall(r"[\w/]+\.py\b", page.read_text(encoding="utf-8")))
    missing = [one for one in named if not any(f.endswith(f"/{one}") for f in FILES)]
    assert not missing
