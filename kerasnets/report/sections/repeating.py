"""Information for repeating the runs: commands, assumptions, machines."""

from typing import Any

from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.assumptions import ASSUMPTIONS
from kerasnets.report.commands import fit_command, reproduce_command
from kerasnets.report.sources import Sources
from kerasnets.runs.records import MACHINE
from kerasnets.text import Table


def commands(sources: Sources) -> list[tuple[str, str]]:
    """Pairs of a row or run and the command that repeats it."""
    if sources.results is None:
        return [(one.label, fit_command(one.run.recipe)) for one in sources.records]
    study = sources.results.study
    rows = [
        (measured_name(row, study.recipe(row).dataset), reproduce_command(study, row))
        for row in study.rows
    ]
    return [("all rows", reproduce_command(study)), *rows]


def assumptions(sources: Sources) -> dict[str, Any]:
    """The assumptions where the paper is silent, and this study's changes to them."""
    columns = {
        "What": [one.what for one in ASSUMPTIONS],
        "The paper says": [one.paper for one in ASSUMPTIONS],
        "Chosen": [one.chosen for one in ASSUMPTIONS],
        "Why": [one.why.replace("`", "") for one in ASSUMPTIONS],
        "Switch": [one.switch.replace("`", "") for one in ASSUMPTIONS],
    }
    return {
        "changed": sources.results.study.assumptions if sources.results else {},
        "table": Table.of(columns, words=tuple(columns)),
    }


def environment(sources: Sources) -> dict[str, Any] | None:
    """Machines with their packages, and datasets."""
    if not sources.records:
        return None
    machines: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for record in sources.records:
        facts = tuple(
            (name, _written(value))
            for name, value in sorted(record.environment.items())
            if name in MACHINE
        )
        machines.setdefault(facts, []).append(record.label)
    return {
        "machines": [
            (labels, Table(("", "Recorded"), facts, words=("Recorded",)))
            for facts, labels in machines.items()
        ],
        "datasets": sorted(
            {
                f"{dataset_title(record.run.recipe.dataset)}, SHA-256 "
                f"{record.environment.get('dataset_fingerprint', 'not recorded')}"
                + (f": {record.dataset_note}" if record.dataset_note else "")
                for record in sources.records
            }
        ),
    }


def _written(value: object) -> str:
    if isinstance(value, dict):
        inner = sorted(value.items())
        return ", ".join(f"{name} {_written(fact)}" for name, fact in inner)
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    return str(value)
