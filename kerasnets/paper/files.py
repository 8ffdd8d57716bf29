"""The files of a study's results: results.json, results.csv and results.md."""

import dataclasses
from typing import Any

from kerasnets import runs
from kerasnets.catalog.datasets import DATASETS
from kerasnets.paper.outcomes import Cell, Monitored, Outcome, table_title
from kerasnets.paper.pages import render
from kerasnets.paper.plan import Study
from kerasnets.paper.references import REFERENCES
from kerasnets.paper.results import Results, gather
from kerasnets.paper.scales import SCALES
from kerasnets.paper.tables import (
    RULE,
    WHICH_EPOCH,
    claims_table,
    epochs_table,
    paper_table,
    references_table,
)
from kerasnets.paper.verdict import paper_interval
from kerasnets.statistics import Interval


def write(study: Study) -> Results:
    """Write results.json, results.csv and results.md from the current state of the
    runs.

    The lock covers reading too, so that the last writer has the latest state.
    """
    with study.lock("results", wait=True):
        results = gather(study)
        runs.write_json(study.path / "results.json", as_json(results))
        lines = [_line(one) for one in results.cells]
        cells = [list(line.values()) for line in lines]
        runs.write_csv(study.path / "results.csv", list(lines[0]), cells)
        runs.write_text(study.path / "results.md", markdown(results))
    return results


def as_json(results: Results) -> dict[str, Any]:
    """The content of results.json; accuracies in percent, differences in points."""
    study = results.study
    return {
        "study": {
            "scale": study.scale,
            "seeds": study.seeds,
            "assumptions": dict(study.assumptions),
            "created": study.created,
        },
        "machines": list(results.machines),
        "data_notes": [f"{name}: {note}" for name, note in results.data_notes],
        "finished": results.finished,
        "planned": len(results.outcomes),
        "cells": [_cell(one) for one in results.cells],
        "claims": [dataclasses.asdict(one) for one in results.claims],
        "references": [dataclasses.asdict(one) for one in REFERENCES],
    }


def _cell(one: Cell) -> dict[str, Any]:
    paper = paper_interval(one.row)
    return {
        **_line(one),
        "paper_low": rounded(percent(paper.low)),
        "paper_high": rounded(percent(paper.high)),
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
        "last_epoch": percent(one.accuracy),
        "best_validation_epoch": percent(one.accuracy_at_best_validation),
        "best_on_test_optimistic": percent(one.best_on_test),
        "monitored": one.monitored and _monitored(one.monitored),
        "test_loss": one.metrics.get("loss"),
        "train_s": round(one.train_s, 2),
    }


def _monitored(one: Monitored) -> dict[str, Any]:
    shares = {name: getattr(one, name) for name in ("first", "best", "last")}
    values = {name: percent(share) for name, share in shares.items()}
    return {**dataclasses.asdict(one), **values}


def _line(one: Cell) -> dict[str, Any]:
    """A row of results.csv, by column."""
    known: dict[str, Any] = {}
    for run in one.finished:
        known = run.environment | run.metrics
    return {
        "row": one.row,
        "table": one.paper.table,
        "label": one.paper.label,
        "paper_accuracy": one.paper.test_accuracy,
        **accuracy_values(one.accuracy, one.interval),
        "difference": rounded(percent(one.difference)),
        "verdict": one.verdict.outcome,
        "reason": one.verdict.reason,
        "seeds_finished": len(one.finished),
        "train_images": known.get("train_images"),
        "validation_images": known.get("validation_images"),
        "test_images": known.get("images"),
        "epochs": one.recipe.epochs,
        "minutes": rounded(one.minutes),
        "paper_minutes": one.paper.minutes,
        "dataset": one.recipe.dataset,
    }


def accuracy_values(accuracy: float | None, found: Interval | None) -> dict[str, Any]:
    """An accuracy and its interval (given as shares) as stored in the files: in
    percent, with the kind of interval."""
    return {
        "accuracy": rounded(percent(accuracy)),
        "low": rounded(percent(found.low if found else None)),
        "high": rounded(percent(found.high if found else None)),
        "interval": found.kind if found else None,
    }


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def markdown(results: Results) -> str:
    """The content of results.md."""
    cells = results.cells
    return render(
        "results.md.j2",
        results=results,
        scale=SCALES[results.study.scale].summary,
        tables=[(table_title(n, cells), paper_table(cells, n)) for n in (1, 2)],
        rule=RULE,
        epochs=epochs_table(cells),
        which_epoch=WHICH_EPOCH,
        references=references_table(),
        test_images=f"{DATASETS['cifar10'].test:,}",
        claims=claims_table(results.claims),
    )
