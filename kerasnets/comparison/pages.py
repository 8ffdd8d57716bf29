"""The pages of a comparison and of a difference, and their tables."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from kerasnets.catalog.titles import dataset_title
from kerasnets.comparison.compare import COSTS, Comparison
from kerasnets.comparison.diff import Change, Difference, Outcomes
from kerasnets.statistics import INTERVAL, Interval, largest_cells
from kerasnets.text import (
    Bullets,
    Figure,
    Heading,
    Page,
    Part,
    Table,
    duration,
    giga,
    millions,
    number,
    p_value,
    percent,
    points,
    rate,
)

SIGNIFICANCE = 0.05

RULES = (
    f"Intervals are {INTERVAL}s: of an accuracy by Wilson's rule, of a difference by "
    "Agresti and Min's. They cover the sampling of the test images, not the spread "
    "between seeds.",
    "P-values are McNemar's, exact and two-sided, on the same test images, adjusted by "
    f"Holm's rule for all pairs of the table; two runs differ if theirs is at most "
    f"{SIGNIFICANCE}.",
    "Over seeds, intervals are Student's t, of a mean accuracy and of the mean of the "
    "differences of runs with the same seed and test images; no correction for several "
    "pairs is made.",
    "FLOPs are two for each multiply-accumulate of convolutions and dense layers.",
    "Times are of training and validation; seconds per epoch and images per second are "
    "those of the median epoch. Energy is the device's own count for that time, if it "
    "has one: of the whole board or processor.",
)


def comparison_page(comparison: Comparison) -> Page:
    accuracy, cost = accuracy_table(comparison), cost_table(comparison)
    pairs = pairs_table(comparison)
    notes = Bullets(comparison.notes, lead="note: ")
    fronts = Bullets(front_lines(comparison), lead="best accuracy for its ")
    parts: list[Part] = [accuracy, cost, notes]
    seeds = seeds_table(comparison)
    differences = seed_differences_table(comparison)
    if seeds.rows:
        parts += [Heading("Over seeds"), seeds]
    if differences.rows:
        parts.append(differences)
    if pairs.rows:
        parts += [
            Heading("Do they differ?"),
            pairs,
            Heading("Same prediction"),
            "The share of test images for which two runs predict the same class.",
            agreement_table(comparison),
        ]
    if fronts.lines:
        parts += [
            Heading("Accuracy for its cost"),
            "Runs that no other beats in test accuracy at the same or a lower cost:",
            fronts,
        ]
    parts.append(
        Figure("curves.png", "Validation loss and accuracy by epoch and by time")
    )
    if comparison.pareto:
        parts.append(Figure("pareto.png", "Test accuracy against cost"))
    parts += [Heading("Rules"), Bullets(RULES)]
    brief = accuracy, cost, seeds, differences, pairs, notes, fronts
    return Page("Comparison", tuple(parts), brief)


def accuracy_table(comparison: Comparison) -> Table:
    rows = comparison.rows
    several = len({row.dataset for row in rows}) > 1
    dataset = {"dataset": [dataset_title(row.dataset) for row in rows]}
    weights = {"weights from": [row.weights or "random" for row in rows]}
    return Table.of(
        {
            "run": [row.label for row in rows],
            "network": [row.network for row in rows],
            **(dataset if several else {}),
            **(weights if any(row.weights for row in rows) else {}),
            "epochs": [str(row.epochs) for row in rows],
            "validation accuracy": [percent(row.validation_accuracy) for row in rows],
            "test accuracy": [percent(row.test_accuracy) for row in rows],
            INTERVAL: [row.interval.percent() if row.interval else "" for row in rows],
            "test loss": [number(row.test_loss, ".4f") for row in rows],
        },
        words=("network", "dataset", "weights from"),
    )


def cost_table(comparison: Comparison) -> Table:
    rows = comparison.rows
    energies = [row.energy_j for row in rows]
    energy = {"energy (kJ)": [number(j and j / 1000, ",.1f") for j in energies]}
    return Table.of(
        {
            "run": [row.label for row in rows],
            "parameters": [millions(row.parameters) for row in rows],
            "GFLOPs/image": [giga(row.flops) for row in rows],
            "s/epoch": [number(row.seconds_per_epoch, ".1f") for row in rows],
            "images/s": [rate(row.images_per_s) for row in rows],
            "training time": [duration(row.total_s) for row in rows],
            **(energy if any(j is not None for j in energies) else {}),
        }
    )


def seeds_table(comparison: Comparison) -> Table:
    """The mean accuracy of the runs that differ in their seed only."""
    groups = comparison.over_seeds
    return Table.of(
        {
            "runs": [group.name for group in groups],
            "seeds": [str(len(group.seeds)) for group in groups],
            "mean test accuracy": [percent(group.mean) for group in groups],
            INTERVAL: [group.interval.percent() for group in groups],
        }
    )


def seed_differences_table(comparison: Comparison) -> Table:
    """The mean paired difference of two such groups."""
    pairs = comparison.seed_tests
    return Table.of(
        {
            "first": [pair.first for pair in pairs],
            "second": [pair.second for pair in pairs],
            "seeds": [str(len(pair.seeds)) for pair in pairs],
            "mean difference (points)": [points(pair.difference) for pair in pairs],
            INTERVAL: [_in_points(pair.interval) for pair in pairs],
        },
        words=("second",),
    )


def pairs_table(comparison: Comparison) -> Table:
    """McNemar's test for each pair."""
    pairs = comparison.mcnemar
    tests = [pair.test for pair in pairs]
    return Table.of(
        {
            "first": [pair.first for pair in pairs],
            "second": [pair.second for pair in pairs],
            "only first right": [f"{test.only_first:,}" for test in tests],
            "only second right": [f"{test.only_second:,}" for test in tests],
            "second − first (points)": [points(test.difference) for test in tests],
            INTERVAL: [_in_points(test.interval) for test in tests],
            "p (Holm)": [p_value(pair.holm_p) for pair in pairs],
            "verdict": [
                "differ" if pair.holm_p <= SIGNIFICANCE else "not shown to differ"
                for pair in pairs
            ],
        },
        words=("second", "verdict"),
    )


def _in_points(interval: Interval) -> str:
    return f"{points(interval.low)} to {points(interval.high)}"


def agreement_table(comparison: Comparison) -> Table:
    """Share of equal predictions for each pair."""
    names = tuple(row.label for row in comparison.rows)
    lines = zip(names, comparison.agreement, strict=True)
    rows = ((name, *map(percent, shares)) for name, shares in lines)
    return Table(("", *names), tuple(rows))


def front_lines(comparison: Comparison) -> list[str]:
    """One line for each cost and set of comparable runs."""
    several = len({front.among for front in comparison.pareto}) > 1
    return [
        f"{COSTS[front.cost]}: {', '.join(front.front)}"
        + (f" (among {', '.join(front.among)})" if several else "")
        for front in comparison.pareto
        if len(front.among) > 1
    ]


_SAME_DATA = {
    True: "Both have data with the same fingerprint.",
    False: "The fingerprints of their data differ.",
    None: "A fingerprint of the data is not recorded for both.",
}
_DIFFERENCE_FIGURES = {
    "confusion_difference.png": "How much more often the second predicts each class",
    "disagreements.png": "Images that one of the two classifies correctly",
}
_TURNED_SHOWN = 8


def difference_page(difference: Difference, figures: Collection[str] = ()) -> Page:
    """The page of a difference.

    Args:
        figures: names of the figures next to the page.
    """
    recipe, machine = difference.recipe, difference.environment
    data = _SAME_DATA[difference.same_data]
    reached = reached_table(difference)
    notes = Bullets(difference.notes, lead="note: ")
    parts: list[Part] = [
        notes,
        Heading("Recipe"),
        changes_table(difference, recipe) if recipe else "Nothing differs.",
        Heading("Machine, software and data"),
        changes_table(difference, machine) if machine else "Nothing differs.",
        data,
        Heading("Time to each validation accuracy"),
        reached,
    ]
    changes = changes_table(difference, (*recipe, *machine))
    brief: list[str | Bullets | Table] = [changes, data, reached]
    if found := difference.outcomes:
        outcomes = outcomes_table(difference, found)
        verdict = verdict_line(difference, found)
        parts += [
            Heading("Predictions for the same test images"),
            outcomes,
            verdict,
            "Largest changes:",
            turned_table(difference, found),
        ]
        brief += [outcomes, verdict]
    parts += [
        Figure(name, caption)
        for name, caption in _DIFFERENCE_FIGURES.items()
        if name in figures
    ]
    title = f"{difference.first} and {difference.second}"
    return Page(title, tuple(parts), (*brief, notes))


def changes_table(difference: Difference, changes: Sequence[Change]) -> Table:
    """The settings or facts that differ."""
    sides = difference.first, difference.second
    return Table(
        ("", *sides),
        tuple((one.name, _value(one.first), _value(one.second)) for one in changes),
        words=sides,
    )


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value)


def reached_table(difference: Difference) -> Table:
    """Epoch and time at which each run reached an accuracy."""
    first, second, levels = difference.first, difference.second, difference.reached
    return Table.of(
        {
            "validation accuracy": [f"{100 * level.accuracy:g}%" for level in levels],
            f"{first}: epoch": [_value(level.first_epoch) for level in levels],
            f"{first}: time": [duration(level.first_s) or "–" for level in levels],
            f"{second}: epoch": [_value(level.second_epoch) for level in levels],
            f"{second}: time": [duration(level.second_s) or "–" for level in levels],
        }
    )


def outcomes_table(difference: Difference, found: Outcomes) -> Table:
    """Number of test images with each outcome."""
    counts = {
        "both right": found.both_right,
        f"only {difference.first} right": found.test.only_first,
        f"only {difference.second} right": found.test.only_second,
        "both wrong, same class": found.both_wrong_alike,
        "both wrong, different classes": found.both_wrong_apart,
    }
    images = sum(counts.values())
    return Table.of(
        {
            "outcome": list(counts),
            "images": [f"{count:,}" for count in counts.values()],
            "share": [percent(count / images) for count in counts.values()],
        }
    )


def verdict_line(difference: Difference, found: Outcomes) -> str:
    """A sentence with the difference of the accuracies, its interval and p."""
    test, p = found.test, p_value(found.test.p)
    return (
        f"The test accuracy of {difference.second} less that of {difference.first} is "
        f"{points(test.difference)} points ({INTERVAL} {_in_points(test.interval)}); "
        f"McNemar's exact test: p {'' if p.startswith('<') else '= '}{p}."
    )


def turned_table(difference: Difference, found: Outcomes) -> Table:
    """The cells of the confusion matrix that changed most."""
    names, change = found.class_names, np.array(found.confusion)
    return Table(
        ("true class", "predicted class", f"{difference.second} − {difference.first}"),
        tuple(
            (names[label], names[prediction], f"{change[label, prediction]:+,}")
            for label, prediction in largest_cells(change, _TURNED_SHOWN)
        ),
        words=("predicted class",),
    )
