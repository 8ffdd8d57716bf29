"""Summary: what was run, at which scale, with which results."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.scales import SCALES
from kerasnets.paper.verdict import scaled_down
from kerasnets.report.sections.paper import paper_row
from kerasnets.report.sources import Record, Sources
from kerasnets.statistics import Interval


def summary(sources: Sources) -> dict[str, Any]:
    """Facts about the study or the runs, and the best run of each group."""
    facts = {
        "results": sources.results,
        "best": list(_best(sources)),
        "notes": sorted(
            {
                f"{dataset_title(one.run.recipe.dataset)}: {one.dataset_note}"
                for one in sources.records
                if one.dataset_note
            }
            | {
                f"{one.label} began with the weights of {one.run.recipe.start}"
                for one in sources.records
                if one.run.recipe.weights
            }
        ),
    }
    if sources.results is None:
        rows = [(one, paper_row(one.run.recipe)) for one in sources.records]
        scales = [(one, scaled_down(row, one.run.recipe)) for one, row in rows if row]
        return {**facts, "scaled_down": [pair for pair in scales if pair[1]]}
    study, cells = sources.results.study, sources.results.cells
    return {
        **facts,
        "scale": SCALES[study.scale].summary,
        "scaled_down": any(scaled_down(cell.row, cell.recipe) for cell in cells),
        "verdicts": Counter(cell.verdict.outcome for cell in cells),
        "failed": [
            (measured_name(one.row, study.recipe(one.row).dataset), one)
            for one in sources.results.failed
        ],
    }


def _best(sources: Sources) -> Iterator[tuple[str, Record, Interval | None]]:
    """Yield each group, its run with the highest test accuracy, and the interval."""
    rows = sources.comparison.rows if sources.comparison else ()
    intervals = {row.label: row.interval for row in rows}
    evaluated = [record for record in sources.records if record.evaluated]
    for group in dict.fromkeys(record.group for record in evaluated):
        alike = (record for record in evaluated if record.group == group)
        best = max(alike, key=lambda record: record.accuracy)
        yield group, best, intervals.get(best.label)
