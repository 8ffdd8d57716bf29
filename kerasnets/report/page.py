"""The page: its sections in order, with embedded style and script."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError, RunError, option
from kerasnets.paper.plan import Study
from kerasnets.report.render import render, source
from kerasnets.report.sections.comparison import comparison
from kerasnets.report.sections.confusion import confusion
from kerasnets.report.sections.curves import curves
from kerasnets.report.sections.examples import examples
from kerasnets.report.sections.explanations import explanations
from kerasnets.report.sections.failure import failure
from kerasnets.report.sections.paper import beside_the_paper, reconciled, text_checked
from kerasnets.report.sections.repeating import assumptions, commands, environment
from kerasnets.report.sections.summary import summary
from kerasnets.report.sections.timing import timing
from kerasnets.report.sources import Sources, read_sources
from kerasnets.runs import write_text
from kerasnets.storage.folders import not_a_file, why_not_writable
from kerasnets.version import __version__

# By name, which is the template's too: the text of the link, and the function that
# returns the template's data. Sections without data are omitted.
SECTIONS: dict[str, tuple[str, Callable[[Sources], Any]]] = {
    "summary": ("Summary", summary),
    "paper": ("The paper", beside_the_paper),
    "reconcile": ("What would have to be true", reconciled),
    "curves": ("Curves", curves),
    "comparison": ("Runs compared", comparison),
    "failure": ("Failure", failure),
    "confusion": ("Confusion", confusion),
    "examples": ("Images", examples),
    "explanations": ("Explanations", explanations),
    "timing": ("Time", timing),
    "claims": ("The paper's text", text_checked),
    "assumptions": ("Assumptions", assumptions),
    "environment": ("Environment", environment),
    "commands": ("Commands", commands),
}


def page(sources: Sources) -> str:
    """The whole page as self-contained HTML.

    Raises:
        RunError, DatasetError: a file is damaged.
    """
    script = source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made = render(
        "page.html.j2",
        style=source("page.css"),
        script=script,
        script_digest=digest,
        sources=sources,
        sections=[
            (name, link, data)
            for name, (link, find) in SECTIONS.items()
            if (data := find(sources))
        ],
        version=__version__,
    )
    return str(made)


def check_place(path: Path) -> None:
    """Check that a page can be written to `path`, without changing anything.

    Raises:
        RunError: `path` is a folder, or its parent is missing or not writable.
    """
    obstacle = why_not_writable(path.parent)
    if other := not_a_file(path):
        obstacle = f"{path} is {other}"
    elif not path.parent.is_dir() and not obstacle:
        obstacle = f"there is no folder {path.parent}"
    if obstacle:
        raise RunError(f"{obstacle}; choose another {option('path')}.")


def write_page(text: str, path: Path) -> None:
    """Write a page atomically, replacing an existing one.

    Raises:
        RunError: as `check_place`, or the page cannot be written.
    """
    check_place(path)
    try:
        write_text(path, text)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}.") from error


def write_study_page(
    study: Study, data_dir: Path | str | None, say: Callable[[str], None]
) -> None:
    """Write report.html from the current content of the study's folder, without
    training.

    The lock covers reading too, so that the last writer has the latest state. A page
    that cannot be written is reported, and does not end the study.

    Args:
        data_dir: see `kerasnets.report.sources.read_sources`.
        say: receives a line if there is no page.
    """
    path = study.path / "report.html"
    with study.lock("report", wait=True):
        try:
            write_page(page(read_sources(study.path, data_dir)), path)
        except KerasnetsError as error:
            say(f"{path} is not written: {error}")
