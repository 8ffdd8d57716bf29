"""Explanations: the pixels behind the mistakes of each run."""

from typing import Any

from kerasnets.report.sources import Sources
from kerasnets.runs.explanations import FOLDER, read_explanations


def explanations(sources: Sources) -> list[dict[str, Any]]:
    """The pictures that `kerasnets explain` wrote into the run folders."""
    found = []
    for record in sources.records:
        folder = record.run.path / FOLDER
        pictures = [(folder / row.file, row) for row in read_explanations(folder)]
        if pictures:
            found.append({"label": record.label, "pictures": pictures})
    return found
