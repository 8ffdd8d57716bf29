"""docs/recipe.md is what the recipe declares."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_recipe_is_current():
    page = (DOCS / "recipe.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(DOCS / "recipe_page.py"))["recipe_page"]()
    assert page == made, "run: python docs/recipe_page.py"
