"""results.md: a study as a page of tables beside the paper's."""

from collections.abc import Iterable, Sequence

from kerasnets.datasets.specs import DATASETS
from kerasnets.names import dataset_title, network_title
from kerasnets.study.cells import Cell
from kerasnets.study.claims import Claim
from kerasnets.study.outcome import FAILED
from kerasnets.study.references import REFERENCES
from kerasnets.study.results import Results
from kerasnets.study.scales import SCALES

_RULE = (
    "Intervals are 95 %: Wilson for one run (sampling of the test images), t over "
    "seeds for several. A row *agrees* where its interval and the Wilson interval of "
    "the paper's number overlap, *differs* where they do not, and is *not comparable* "
    "where it is not the paper's protocol; a scaled-down run is not a reproduction."
)
_EPOCHS = (
    "The accuracy above is the last epoch's. The epoch that is best on held-out images "
    "has a test accuracy only where it is the last, as no other network is kept. The "
    "best on the test split is chosen on what it is measured on, so it is optimistic; "
    "it needs `--validation test`."
)


def markdown(results: Results) -> str:
    """The whole page."""
    return (
        "\n\n".join(
            part
            for part in (
                "# The paper's study, repeated",
                _what(results),
                *(_paper_table(results, number) for number in (1, 2)),
                _RULE,
                _epochs(results.cells),
                _references(),
                _checked(results.claims),
            )
            if part
        )
        + "\n"
    )


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


def _paper_table(results: Results, number: int) -> str:
    cells = [cell for cell in results.cells if cell.table == number]
    title = dataset_title("mnist" if number == 1 else "cifar10")
    rows = (
        (
            cell.label,
            f"{cell.paper_accuracy:.2f} %",
            _ours(cell),
            "" if cell.difference is None else f"{cell.difference:+.2f}",
            _verdict(cell),
            _data(cell),
            str(cell.recipe.epochs),
            "" if cell.minutes is None else f"{cell.minutes:.1f}",
            "" if cell.paper_minutes is None else f"{cell.paper_minutes:g}",
        )
        for cell in cells
    )
    columns = (
        "Network",
        "Paper",
        "Ours (95 % interval)",
        "Points",
        "Verdict",
        "Training / validation / test images",
        "Epochs",
        "Minutes",
        "Minutes there",
    )
    return f"## Table {number}: {title}\n\n{_table(columns, rows)}"


def _ours(cell: Cell) -> str:
    if cell.accuracy is None or cell.interval is None:
        return ""
    seeds = f", {len(cell.finished)} seeds" if len(cell.finished) > 1 else ""
    low, high = cell.interval.low, cell.interval.high
    return f"{cell.accuracy:.2f} % ({low:.2f} to {high:.2f}{seeds})"


def _verdict(cell: Cell) -> str:
    parts = [str(cell.verdict)]
    if cell.collapsed:
        parts.append(f"collapsed to class {cell.collapsed!r}")
    if cell.finished:
        parts += [
            f"seed {one.seed} failed: {one.failure}"
            for one in cell.outcomes
            if one.state == FAILED
        ]
    return "; ".join(parts)


def _data(cell: Cell) -> str:
    for run in cell.finished:
        known, metrics = run.environment or {}, run.metrics or {}
        held_out = known["validation_images"]
        if cell.recipe.validation == "test":
            held_out = 0
        return f"{known['train_images']:,} / {held_out:,} / {metrics['images']:,}"
    return ""


def _epochs(cells: Sequence[Cell]) -> str:
    rows = []
    for cell in cells:
        for run in cell.finished:
            monitored = run.monitored
            if monitored is None:
                continue
            rows.append(
                (
                    cell.row,
                    str(run.seed),
                    _percent(run.accuracy),
                    f"{monitored.best_epoch} ({_percent(monitored.best)} on "
                    f"{monitored.split})",
                    _percent(run.accuracy_at_best_validation),
                    _percent(run.best_on_test),
                )
            )
    if not rows:
        return ""
    columns = (
        "Row",
        "Seed",
        "Test, last epoch",
        "Best monitored epoch",
        "Test, best validation epoch",
        "Best on test (optimistic)",
    )
    return f"## Which epoch\n\n{_EPOCHS}\n\n{_table(columns, rows)}"


def _references() -> str:
    images = DATASETS["cifar10"].test
    rows = (
        (
            network_title(one.network),
            f"{one.accuracy:.2f} %",
            "" if one.parameters is None else f"{one.parameters:.1f} M",
            one.head,
            one.stem,
            str(one.epochs),
            one.source,
            one.note,
        )
        for one in REFERENCES
    )
    columns = (
        "Network",
        "Test accuracy",
        "Parameters",
        "Head",
        "Stem",
        "Epochs",
        "Source",
        "Note",
    )
    return (
        f"## What others report on CIFAR-10 ({images:,} test images)\n\n"
        f"{_table(columns, rows)}"
    )


def _checked(claims: Sequence[Claim]) -> str:
    rows = ((c.section, c.sentence, c.status, c.finding) for c in claims)
    columns = ("Section", "The paper says", "", "What was found")
    return f"## What we could and could not confirm\n\n{_table(columns, rows)}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} %"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(value.replace("|", "\\|") for value in line) + " |"
        for line in lines
    )
