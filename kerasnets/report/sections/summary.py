"""The first thing that is read: what was run, at what scale, and what came out."""

from collections import Counter
from collections.abc import Iterator

from kerasnets.catalog.titles import dataset_title, measured_name
from kerasnets.paper.results import Results
from kerasnets.paper.scales import SCALES
from kerasnets.paper.verdict import AGREES, DIFFERS, NOT_COMPARABLE, scaled_down
from kerasnets.report.html import Html, bullets, section
from kerasnets.report.sections.paper import paper_row
from kerasnets.report.sources import Record, Sources


def summary_section(sources: Sources) -> Html:
    """A list of facts, every one computed."""
    lines = [
        *(_study(sources.results) if sources.results else _runs(sources)),
        *_best(sources),
        *_collapsed(sources),
        *sorted(
            {
                f"Data: {dataset_title(one.run.recipe.dataset)}: {one.dataset_note}."
                for one in sources.records
                if one.dataset_note
            }
        ),
    ]
    if sources.not_begun:
        lines.append(f"No finished epoch: {', '.join(sources.not_begun)}.")
    return section("summary", "Summary", bullets(lines))


def _study(results: Results) -> Iterator[str]:
    study = results.study
    yield f"Scale “{study.scale}”: {SCALES[study.scale].summary}."
    if any(scaled_down(cell.row, cell.recipe) for cell in results.cells):
        yield (
            "This is a scaled-down run: it is not a reproduction of the paper's "
            "numbers. Its networks can be compared with each other."
        )
    runs = f"{results.finished} of {len(results.outcomes)} runs are finished"
    yield f"{runs}, {study.seeds} for each row; begun {study.created[:10]}."
    counts = Counter(cell.verdict.outcome for cell in results.cells)
    yield (
        f"Of the paper's {len(results.cells)} rows, {counts[AGREES]} agree, "
        f"{counts[DIFFERS]} differ and {counts[NOT_COMPARABLE]} are not comparable."
    )
    if study.assumptions:
        changed = ", ".join(f"{k} {v}" for k, v in study.assumptions.items())
        yield f"Assumptions changed: {changed}."
    for failed in results.failed:
        name = measured_name(failed.row, study.recipe(failed.row).dataset)
        yield f"{name}, seed {failed.seed}, failed: {failed.failure}"


def _runs(sources: Sources) -> Iterator[str]:
    yield f"{len(sources.records)} runs, not part of a study of the paper's nine rows."
    for record in sources.records:
        row = paper_row(record.run.recipe)
        scale = scaled_down(row, record.run.recipe) if row else ""
        if scale:
            yield (
                f"{record.label} is {scale}; not a reproduction of the paper's number."
            )


def _best(sources: Sources) -> Iterator[str]:
    """The highest test accuracy of each group, with what it may be off by."""
    rows = (
        {row.label: row for row in sources.comparison.rows}
        if (sources.comparison)
        else {}
    )
    groups: dict[str, list[Record]] = {}
    for record in sources.records:
        if record.evaluated:
            groups.setdefault(record.group, []).append(record)
    for group, records in groups.items():
        best = max(records, key=_accuracy)
        found = rows[best.label].interval if best.label in rows else None
        interval = f" (95 % interval {found.percent()})" if found else ""
        yield (
            f"Highest test accuracy, {group}: {_accuracy(best):.2%}{interval}, "
            f"{best.label}."
        )


def _accuracy(record: Record) -> float:
    assert record.evaluated
    return float(record.evaluated.metrics["accuracy"])


def _collapsed(sources: Sources) -> Iterator[str]:
    for record in sources.records:
        if record.collapsed:
            yield f"{record.label} collapsed: it predicts {record.collapsed!r} only."
