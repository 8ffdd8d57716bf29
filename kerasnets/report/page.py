"""The page: its sections in order, and the style and script that travel inside it."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from kerasnets.errors import RunError
from kerasnets.report.html import Html, element, joined
from kerasnets.report.sections.comparison import comparison_section
from kerasnets.report.sections.confusion import confusion_section
from kerasnets.report.sections.curves import curves_section
from kerasnets.report.sections.examples import examples_section
from kerasnets.report.sections.failure import FoundDiagnosis, failure_section
from kerasnets.report.sections.paper import claims_section, paper_section
from kerasnets.report.sections.reconciliation import reconciled_section
from kerasnets.report.sections.repeating import (
    assumptions_section,
    commands_section,
    environment_section,
)
from kerasnets.report.sections.summary import summary_section
from kerasnets.report.sections.timing import timing_section
from kerasnets.report.sources import Sources
from kerasnets.runs import write_text
from kerasnets.storage.folders import why_not_writable
from kerasnets.version import __version__

# Names and short titles of the sections, in order.
_TITLES = {
    "summary": "Summary",
    "paper": "Beside the paper",
    "reconcile": "What would have to be true",
    "curves": "Curves",
    "comparison": "Runs compared",
    "failure": "Failure",
    "confusion": "Confusion",
    "examples": "Images",
    "timing": "Time",
    "claims": "The paper's text",
    "assumptions": "Assumptions",
    "environment": "Environment",
    "commands": "Commands",
}


def page(
    sources: Sources,
    diagnoses: tuple[FoundDiagnosis, ...] = (),
    data_dir: Path | str | None = None,
) -> str:
    """The whole page as HTML, which needs no other file and no network.

    Args:
        data_dir: where prepared datasets are, for the images of confused classes;
            TFDS_DATA_DIR unless given. Nothing is downloaded.

    Raises:
        RunError, DatasetError: a file is damaged.
    """
    records = sources.records
    parts = {
        "summary": summary_section(sources),
        "paper": paper_section(sources),
        "reconcile": reconciled_section(sources.reconciled),
        "curves": curves_section(records) if records else Html(),
        "comparison": comparison_section(sources.comparison),
        "failure": failure_section(sources, diagnoses),
        "confusion": confusion_section(records),
        "examples": examples_section(records, data_dir),
        "timing": timing_section(records),
        "claims": claims_section(sources),
        "assumptions": assumptions_section(sources),
        "environment": environment_section(records),
        "commands": commands_section(sources),
    }
    links = [
        element("a", title, href=f"#{name}")
        for name, title in _TITLES.items()
        if parts[name]
    ]
    study = "The paper's study, repeated" if sources.results else "Runs"
    title = f"{study}: {sources.folder.resolve().name}"
    script = _file("page.js")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(_file("page.css"))),
    )
    body = element(
        "body",
        element("header", element("h1", title)),
        element("nav", *links, aria_label="Sections"),
        element("main", *(parts[name] for name in _TITLES)),
        element("footer", element("p", f"Made by kerasnets {__version__}.")),
        element("script", Html(script)),
    )
    return f"<!DOCTYPE html>\n{element('html', joined([head, body]), lang='en')}\n"


def check_place(path: Path) -> None:
    """Check that a page may be written to `path`, and change nothing.

    Raises:
        RunError: it is a folder, or its folder is missing or not writable.
    """
    obstacle = why_not_writable(path.parent)
    if path.is_dir():
        obstacle = f"{path} is a folder"
    elif not path.parent.is_dir() and not obstacle:
        obstacle = f"there is no folder {path.parent}"
    if obstacle:
        raise RunError(f"{obstacle}; choose another --out.")


def write_page(text: str, path: Path) -> None:
    """Write a page; the one that is there is replaced once the new one is whole.

    Raises:
        RunError: as `check_place`, or the disk refuses the write.
    """
    check_place(path)
    try:
        write_text(path, text)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}.") from error


def _policy(script: str) -> str:
    """Nothing from elsewhere, and no script but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def _file(name: str) -> str:
    return files("kerasnets.report").joinpath(name).read_text(encoding="utf-8")
