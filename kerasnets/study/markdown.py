"""results.md: a study as a page of tables beside the paper's."""

from collections.abc import Sequence

from kerasnets.datasets.specs import DATASETS
from kerasnets.names import dataset_title
from kerasnets.study.cells import table_title
from kerasnets.study.claims import Claim
from kerasnets.study.results import Results
from kerasnets.study.results_tables import (
    RULE,
    WHICH_EPOCH,
    epochs_table,
    paper_table,
    references_table,
)
from kerasnets.study.scales import SCALES
from kerasnets.study.tables import TextTable


def markdown(results: Results) -> str:
    """The whole page."""
    parts = ["# The paper's study, repeated", _what(results)]
    for number in (1, 2):
        parts += [
            f"## {table_title(number, results.cells)}",
            paper_table(results.cells, number).markdown(),
        ]
    parts.append(RULE)
    epochs = epochs_table(results.cells)
    if epochs.rows:
        parts += ["## Which epoch", WHICH_EPOCH, epochs.markdown()]
    parts += [
        f"## What others report on CIFAR-10 ({DATASETS['cifar10'].test:,} test images)",
        references_table().markdown(),
        "## What we could and could not confirm",
        _checked(results.claims).markdown(),
    ]
    return "\n\n".join(parts) + "\n"


def _what(results: Results) -> str:
    study = results.study
    changed = ", ".join(f"{name} {value}" for name, value in study.assumptions.items())
    lines = [
        f"Scale `{study.scale}`: {SCALES[study.scale].summary}.",
        f"Seeds: {study.seeds}. Finished: {results.finished} of "
        f"{len(results.outcomes)} runs.",
        f"Assumptions changed: {changed}." if changed else "",
        *(f"Machine: {name}." for name in results.machines),
        *(
            f"Data: {dataset_title(name)}: {note}."
            for name, _, note in (n.partition(": ") for n in results.data_notes)
        ),
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _checked(claims: Sequence[Claim]) -> TextTable:
    columns = ("Section", "The paper says", "", "What was found")
    return TextTable(
        columns,
        tuple((c.section, c.sentence, c.status, c.finding) for c in claims),
        words=columns,
    )
