"""Galleries: sections of images in rows of six, with two lines below each."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kerasnets.figures.style import GRAY, INK, MARGIN, TEXT_SIZE, WIDTH, sheet

COLUMNS = 6
ROWS = 2  # in each section

_IMAGE = 0.92  # inches, height and width
_WORDS = 0.46
_HEADING = 0.32


@dataclass(frozen=True)
class Picture:
    """An image, uint8 [H, W, 1 or 3], and the two lines below it."""

    image: np.ndarray
    first_line: str
    second_line: str


@dataclass(frozen=True)
class Section:
    """Images under a colored heading."""

    heading: str
    color: str
    pictures: Sequence[Picture]

    @property
    def height(self) -> float:
        return _HEADING + ceil(len(self.pictures) / COLUMNS) * (_IMAGE + _WORDS)


def evenly_chosen(rows: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """As many of `rows` as fit into a section, by decreasing confidence. They are
    evenly spaced in that order, including the most and the least confident, so the
    choice is reproducible and not hand-picked.

    Args:
        rows: int [n], indices of images.
        confidence: float [n], in the same order.
    """
    rows = rows[np.argsort(-confidence, kind="stable")]
    places = np.linspace(0, len(rows) - 1, min(len(rows), COLUMNS * ROWS))
    return rows[places.round().astype(int)]


def draw_gallery(
    sections: Sequence[Section], path: Path, *, title: str, subtitle: str
) -> Path:
    """Draw the sections below each other.

    Returns:
        `path`.

    Raises:
        RunError: it cannot be written.
    """
    height = MARGIN + sum(section.height for section in sections)
    with sheet(path, title=title, subtitle=subtitle, body_height=height) as figure:
        figure.set_layout_engine("none")  # every image is placed by hand
        for section in sections:
            _draw_section(figure, section, height)
            height -= section.height
    return path


def _draw_section(figure: Figure, section: Section, top: float) -> None:
    height = figure.get_figheight()
    column_width = (WIDTH - 2 * MARGIN) / COLUMNS

    def place(x: float, y: float) -> tuple[float, float]:
        return x / WIDTH, y / height

    figure.text(
        *place(MARGIN, top - 0.1),
        section.heading,
        size=TEXT_SIZE + 1,
        weight="bold",
        color=section.color,
        va="top",
    )
    for number, picture in enumerate(section.pictures):
        line, column = divmod(number, COLUMNS)
        center = MARGIN + (column + 0.5) * column_width
        bottom = top - _HEADING - line * (_IMAGE + _WORDS) - _IMAGE
        axes = figure.add_axes(
            (*place(center - _IMAGE / 2, bottom), _IMAGE / WIDTH, _IMAGE / height)
        )
        axes.set_axis_off()
        image = picture.image
        axes.imshow(
            image[..., 0] if image.shape[-1] == 1 else image,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest",
        )
        for offset, text, color in (
            (0.05, picture.first_line, INK),
            (0.19, picture.second_line, GRAY),
        ):
            figure.text(
                *place(center, bottom - offset),
                text,
                size=7,
                color=color,
                ha="center",
                va="top",
            )
