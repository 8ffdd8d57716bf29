"""Render the page's templates, with autoescape."""

import base64
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.diagnosis.summary import switches_table, trials_table
from kerasnets.paper.pages import changes
from kerasnets.paper.verdict import AGREES, DIFFERS
from kerasnets.report.commands import diagnose_command, reproduce_command
from kerasnets.statistics import INTERVAL

_COLORS = 7  # series colors in page.css, repeated with other dash patterns
_DASHES = ("", "7 4", "2 3", "9 3 2 3")


def render(name: str, **data: Any) -> Markup:
    """Render a template of the folder templates/."""
    return Markup(_templates().get_template(name).render(data))


def source(name: str) -> Markup:
    """A file of the folder templates/, verbatim: the page's style or script."""
    return Markup((files("kerasnets.report") / "templates" / name).read_text("utf-8"))


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("kerasnets.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "changes": changes,
        "dataset_title": dataset_title,
        "diagnose_command": diagnose_command,
        "f": format,
        "look": look,
        "network_title": network_title,
        "png": lambda path: _data_url(path.read_bytes()),
        "repr": repr,
        "reproduce_command": reproduce_command,
        "switches_table": switches_table,
        "thumbnail": thumbnail,
        "trials_table": trials_table,
        "verdict_mark": verdict_mark,
    }
    environment.globals["interval_name"] = INTERVAL
    return environment


def look(number: int) -> tuple[str, str]:
    """CSS class and dash pattern of line `number`, of which 28 are distinct."""
    turn, color = divmod(number, _COLORS)
    return f"s{color}", _DASHES[turn % len(_DASHES)]


def verdict_mark(cell: str) -> str | None:
    """The CSS class of a cell with a verdict, or None for other cells."""
    kinds = {AGREES: "agrees", "yes": "agrees", DIFFERS: "differs", "no": "differs"}
    return kinds.get(cell.partition(":")[0])


def thumbnail(pixels: np.ndarray) -> str:
    """A data URL of an image, uint8 [H, W, 1 or 3]."""
    grey = pixels.shape[-1] == 1
    file = BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG", optimize=True)
    return _data_url(file.getvalue())


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
