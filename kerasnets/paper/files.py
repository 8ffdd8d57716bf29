"""The files of a study's results: results.json, results.csv and results.md."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from kerasnets import runs
from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.titles import dataset_title
from kerasnets.paper.claims import Claim
from kerasnets.paper.outcomes import Cell, Outcome, table_title
from kerasnets.paper.plan import Study
from kerasnets.paper.references import REFERENCES
from kerasnets.paper.results import Results, gather
from kerasnets.paper.scales import SCALES
from kerasnets.paper.tables import (
    RULE,
    WHICH_EPOCH,
    epochs_table,
    paper_table,
    references_table,
)
from kerasnets.text import Table

COLUMNS = (
    "row",
    "table",
    "label",
    "paper_accuracy",
    "accuracy",
    "low",
    "high",
    "interval",
    "difference",
    "verdict",
    "reason",
    "seeds_finished",
    "train_images",
    "validation_images",
    "test_images",
    "epochs",
    "minutes",
    "paper_minutes",
    "dataset",
)


def write(study: Study) -> Results:
    """Write results.json, results.csv and results.md from what the runs hold now.

    One process at a time: whoever writes last has read last.
    """
    with study.lock("results", wait=True):
        results = gather(study)
        runs.write_json(study.path / "results.json", as_json(results))
        runs.write_csv(
            study.path / "results.csv", COLUMNS, [_line(one) for one in results.cells]
        )
        runs.write_text(study.path / "results.md", markdown(results))
    return results


def as_json(results: Results) -> dict[str, Any]:
    """What results.json holds; accuracies in percent, differences in points."""
    study = results.study
    return {
        "study": {
            "scale": study.scale,
            "seeds": study.seeds,
            "assumptions": dict(study.assumptions),
            "created": study.created,
        },
        "machines": list(results.machines),
        "data_notes": list(results.data_notes),
        "finished": results.finished,
        "planned": len(results.outcomes),
        "cells": [_cell(one) for one in results.cells],
        "claims": [dataclasses.asdict(one) for one in results.claims],
        "references": [dataclasses.asdict(one) for one in REFERENCES],
    }


def _cell(one: Cell) -> dict[str, Any]:
    return {
        **dict(zip(COLUMNS, _line(one), strict=True)),
        "paper_low": round(100 * one.paper_interval.low, 3),
        "paper_high": round(100 * one.paper_interval.high, 3),
        "collapsed": one.collapsed,
        "recipe": dataclasses.asdict(one.recipe),
        "runs": [_outcome(run) for run in one.outcomes],
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "folder": f"runs/{one.row}-seed{one.seed}",
        "seed": one.seed,
        "state": one.state,
        "failure": one.failure,
        "epochs": one.epochs,
        "stopped_early": one.stopped,
        "last_epoch": one.accuracy,
        "best_validation_epoch": one.accuracy_at_best_validation,
        "best_on_test_optimistic": one.best_on_test,
        "monitored": one.monitored and dataclasses.asdict(one.monitored),
        "test_loss": one.metrics["loss"] if one.metrics else None,
        "train_s": round(one.train_s, 2),
    }


def _line(one: Cell) -> list[Any]:
    known: dict[str, Any] = {}
    for run in one.finished:
        known = {**(run.environment or {}), "images": (run.metrics or {})["images"]}
    found = one.interval
    return [
        one.row,
        one.table,
        one.label,
        one.paper_accuracy,
        _rounded(one.accuracy),
        _rounded(100 * found.low if found else None),
        _rounded(100 * found.high if found else None),
        found.kind if found else None,
        _rounded(one.difference),
        one.verdict.outcome,
        one.verdict.reason,
        len(one.finished),
        known.get("train_images"),
        known.get("validation_images"),
        known.get("images"),
        one.recipe.epochs,
        _rounded(one.minutes),
        one.paper_minutes,
        one.recipe.dataset,
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


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


def _checked(claims: Sequence[Claim]) -> Table:
    columns = ("Section", "The paper says", "", "What was found")
    return Table(
        columns,
        tuple((c.section, c.sentence, c.status, c.finding) for c in claims),
        words=columns,
    )
