"""Write docs/recipe.md from the recipe's declaration: python docs/recipe_page.py

Run it after a field of the recipe has changed; a test compares the page with this.
"""

from collections.abc import Iterator
from pathlib import Path

from kerasnets.recipe import SETTINGS
from kerasnets.recipe.setting import GROUPS, KINDS, Setting

PAGE = Path(__file__).with_name("recipe.md")
_INTRODUCTION = """\
# The recipe

A recipe is everything that decides what a training run computes. Each field has one
name in Python and in recipe.json, and one option of `kerasnets fit`. A field that you
do not name has the value of a [preset](training.md#presets), or the default below.
"grey" and "color" are the paper's values for MNIST and CIFAR-10, which other grey and
color datasets take too.

```python
import kerasnets

recipe = kerasnets.Recipe.for_paper("resnet34", "mnist", dropout=0.2, glorot=True)
longer = recipe.replace(epochs=30)
```

A value that differs from the preset's is part of the run folder's name, as the last
column shows.

<!-- Made by `python docs/recipe_page.py`; do not edit. -->
"""
_COLUMNS = ("field", "option", "meaning", "values", "default", "in the folder's name")


def recipe_page() -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION]
    for group in GROUPS:
        rows = [_row(one) for one in SETTINGS.values() if one.group == group]
        lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"## {group.capitalize()}\n\n{table}\n")
    return "\n".join(parts)


def _row(one: Setting) -> list[str]:
    word = f"`{one.tag}…`" if one.tag else "itself"
    if bool in one.kinds:
        word = f"`{one.tag}`, `no-{one.tag}`"
    if one.paper is None:
        word = "itself"
    argument = "NETWORK" if one.name == "network" else one.flags
    shortcuts = (shortcut.flag for shortcut in one.shortcuts)
    options = ", ".join(f"`{flag}`" for flag in (argument, *shortcuts))
    values = "; ".join(_values(one))
    return [f"`{one.name}`", options, one.sentences, values, one.default, word]


def _values(one: Setting) -> Iterator[str]:
    for kind in one.kinds:
        if kind is str and one.choices:
            yield ", ".join(f"`{choice}`" for choice in one.choices)
        elif kind is type(None):
            yield f"null: {one.null}"
        else:
            yield f"{KINDS[kind]} ({one.unit})" if one.unit else KINDS[kind]


if __name__ == "__main__":
    PAGE.write_text(recipe_page(), encoding="utf-8")
