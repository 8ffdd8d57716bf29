"""Render the Markdown pages of templates/, with text from runs escaped."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kerasnets.catalog.titles import dataset_title
from kerasnets.text import markdown_text


def render(name: str, **data: Any) -> str:
    """Render a template of the folder templates/."""
    return _templates().get_template(name).render(data)


def changes(assumptions: Mapping[str, Any]) -> str:
    """A study's changes to every row, such as "momentum 0.0, schedule cosine"."""
    return ", ".join(f"{name} {value}" for name, value in assumptions.items())


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("kerasnets.paper"),
        # The equivalent of Jinja's HTML autoescape for Markdown.
        finalize=lambda value: (
            value if isinstance(value, Markup) else markdown_text(str(value))
        ),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "changes": changes,
        "dataset_title": dataset_title,
        "safe": Markup,
        "table": lambda table: Markup(table.markdown()),
    }
    return environment
