"""The page of a study in progress."""

from collections.abc import Callable
from pathlib import Path

from kerasnets.errors import KerasnetsError
from kerasnets.paper.plan import Study
from kerasnets.report.page import page, write_page
from kerasnets.report.sources import read_sources


def write_study_page(
    study: Study, data_dir: Path | str | None, say: Callable[[str], None]
) -> None:
    """Write report.html from the current contents of the study's folder, without
    training.

    One process at a time: whoever writes last has read last. A page that cannot be
    written is reported, and does not end the study.

    Args:
        data_dir: as for `kerasnets.report.sources.read_sources`.
        say: receives a line if there is no page.
    """
    path = study.path / "report.html"
    with study.lock("report", wait=True):
        try:
            write_page(page(read_sources(study.path, data_dir)), path)
        except KerasnetsError as error:
            say(f"{path} is not written: {error}")
