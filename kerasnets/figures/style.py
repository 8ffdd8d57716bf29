"""The common style of all figures, and the sheet on which they are drawn.

Sizes are in inches and points. A sheet is 7 inches wide, like the text of a page, and
1400 pixels, so that its smallest text is readable on a phone.
"""

import contextlib
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kerasnets.catalog.titles import dataset_title, network_title
from kerasnets.errors import RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import atomic_file

WIDTH = 7.0
DPI = 200
MARGIN = 0.12

TITLE_SIZE = 13
TEXT_SIZE = 9
SMALL_SIZE = 8

# From Okabe and Ito's palette: distinct for color-blind readers, and in grayscale.
BLUE = "#0072B2"
VERMILION = "#D55E00"
INK = "#222222"
GRAY = "#5F5F5F"
GRID = "#E2E2E2"

# For several series in one plot: the palette, repeated with other line styles.
_PALETTE = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_LOOK: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so identical everywhere
    "font.size": TEXT_SIZE,
    "text.parse_math": False,  # a class may be called "$5"
    "text.color": INK,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL_SIZE,
    "ytick.labelsize": SMALL_SIZE,
    "legend.fontsize": TEXT_SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "kerasnets",
}

# Metadata that would make identical figures differ in bytes.
_NO_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Creator": None, "Date": None},
}


@contextlib.contextmanager
def sheet(
    path: Path, *, title: str, subtitle: str, body_height: float
) -> Iterator[Figure]:
    """Yield a figure with a title, and write it to `path` when the block ends.

    Identical drawings yield identical bytes. Axes laid out by matplotlib stay below the
    title; for manual placement, there are `body_height` inches from the bottom.

    Args:
        path: ends in ".png" or ".svg"; its folder must exist.
        title: one line.
        subtitle: the facts, wrapped into as many lines as needed.
        body_height: inches below the title.

    Raises:
        RunError: the file cannot be written.
    """
    lines = textwrap.wrap(subtitle, 112)
    header = MARGIN + 0.27 + 0.17 * len(lines)
    height = header + body_height
    # Ignores the user's matplotlibrc, and restores all settings.
    with matplotlib.style.context(["default", _LOOK]), warnings.catch_warnings():
        # A character missing in the font is drawn as a box, without a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        layout = ConstrainedLayoutEngine(
            rect=(0, 0, 1, body_height / height), w_pad=MARGIN, h_pad=MARGIN / 2
        )
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout)
        top, left = 1 - MARGIN / height, MARGIN / WIDTH
        figure.text(
            left, top, one_line(title, 60), size=TITLE_SIZE, weight="bold", va="top"
        )
        figure.text(
            left,
            top - 0.27 / height,
            "\n".join(lines),
            size=SMALL_SIZE,
            color=GRAY,
            va="top",
            linespacing=1.4,
        )
        yield figure
        try:
            with atomic_file(path, "wb") as file:
                figure.savefig(
                    file,
                    format=path.suffix.removeprefix("."),
                    metadata=_NO_METADATA[path.suffix],
                )
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}.") from error


def series_style(index: int) -> dict[str, Any]:
    """Color, line and marker of series `index`, of which 28 are distinct."""
    turn, place = divmod(index, len(_PALETTE))
    return {
        "color": _PALETTE[place],
        "linestyle": _LINES[turn % len(_LINES)],
        "marker": _MARKERS[(place + turn) % len(_MARKERS)],
    }


def legend_columns(labels: Sequence[str]) -> int:
    """Number of labels that fit side by side below a plot."""
    letters = max(map(len, labels)) + 7  # the line before the label is 7 letters wide
    return max(1, min(len(labels), int(WIDTH / (letters * 0.08))))


def run_title(recipe: Recipe) -> str:
    """The title of a run, such as "VGG-19 BN · MNIST"."""
    network = network_title(recipe.network, batch_norm=recipe.batch_norm)
    return f"{network} · {dataset_title(recipe.dataset)}"


def one_line(text: str, limit: int) -> str:
    """`text` on one line of at most `limit` characters, without control characters;
    bytes that are not UTF-8 as backslash escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    printable = (
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in text
    )
    line = " ".join("".join(printable).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
