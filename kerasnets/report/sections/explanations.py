"""Explanations: the pixels on which the mistakes of each run rest."""

from typing import Any

from kerasnets.report.sources import Sources
from kerasnets.runs.explanations import FOLDER, read_explanations


def explanations(sources: Sources) -> list[dict[str, Any]]:
    """Those that `kerasnets explain` left in the run folders."""
    found = []
    for record in sources.records:
        folder = record.run.path / FOLDER
        pictures = [(folder / row.file, row) for row in read_explanations(folder)]
        if pictures:
            found.append({"label": record.label, "pictures": pictures})
    return found
