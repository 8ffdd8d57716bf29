"""What it takes to do it again: commands, assumptions, machines."""

import json
from collections.abc import Sequence

from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.assumptions import ASSUMPTIONS
from kerasnets.report.commands import fit_command, reproduce_command
from kerasnets.report.html import (
    Html,
    bullets,
    element,
    folded,
    paragraph,
    section,
    table,
)
from kerasnets.report.sources import Record, Sources
from kerasnets.text import Table

# Of environment.json: what differs from run to run on one machine, or is shown
# elsewhere.
_NOT_OF_THE_MACHINE = frozenset(
    {
        "started",
        "resumed",
        "class_names",
        "dataset_fingerprint",
        "dataset_note",
        "train_images",
        "validation_images",
        "test_images",
        "trainable_parameters",
    }
)


def commands_section(sources: Sources) -> Html:
    """The command that repeats each row, and each run."""
    if sources.results is None:
        commands = [
            (record.label, fit_command(record.run.recipe)) for record in sources.records
        ]
    else:
        study = sources.results.study
        commands = [("all rows", reproduce_command(study))]
        commands += [
            (
                measured_name(row, study.recipe(row).dataset),
                reproduce_command(study, row),
            )
            for row in study.rows
        ]
    return section(
        "commands",
        "The command that repeats each row",
        element(
            "dl",
            *(
                part
                for name, command in commands
                for part in (
                    element("dt", name),
                    element("dd", element("code", command)),
                )
            ),
        ),
    )


def assumptions_section(sources: Sources) -> Html:
    """What the paper leaves unsaid, and what this study changed of it."""
    changed = sources.results.study.assumptions if sources.results else {}
    known = Table(
        ("What", "The paper says", "Chosen", "Why", "Switch"),
        tuple(
            tuple(
                text.replace("`", "")
                for text in (one.what, one.paper, one.chosen, one.why, one.switch)
            )
            for one in ASSUMPTIONS
        ),
        words=("The paper says", "Chosen", "Why", "Switch"),
    )
    return section(
        "assumptions",
        "Assumptions",
        paragraph(
            "Changed in this study: "
            + ", ".join(f"{name} {value}" for name, value in changed.items())
            + "."
        )
        if changed
        else Html(),
        folded(
            f"The {len(ASSUMPTIONS)} choices that the paper leaves open, and the "
            "option that changes each",
            table(known, "Assumptions"),
        ),
    )


def environment_section(records: Sequence[Record]) -> Html:
    """Each machine and set of packages, and the data."""
    if not records:
        return Html()
    machines: dict[str, list[str]] = {}
    for record in records:
        facts = {
            name: value
            for name, value in record.environment.items()
            if name not in _NOT_OF_THE_MACHINE
        }
        machines.setdefault(json.dumps(facts, sort_keys=True), []).append(record.label)
    parts = []
    for facts_json, labels in machines.items():
        facts = json.loads(facts_json)
        known = Table(
            ("", "Recorded"),
            tuple((name, _written(value)) for name, value in facts.items()),
            words=("Recorded",),
        )
        title = (
            "All runs" if len(machines) == 1 else f"{len(labels)}: {', '.join(labels)}"
        )
        parts += [element("h3", title), table(known, "Machine and packages")]
    data = {
        f"{dataset_title(record.run.recipe.dataset)}, SHA-256 "
        f"{record.environment.get('dataset_fingerprint', 'not recorded')}"
        + (f": {record.dataset_note}" if record.dataset_note else "")
        for record in records
    }
    parts += [element("h3", "Data"), bullets(sorted(data))]
    return section("environment", "Environment", *parts)


def _written(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_written(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    return str(value)
