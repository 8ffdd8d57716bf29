"""A difference as tables of text, and as a Markdown page."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from kerasnets.comparison.diff import Change, Difference, Outcomes
from kerasnets.text import (
    Table,
    markdown_page,
    markdown_text,
    p_value,
    percent,
    points,
)
from kerasnets.training.callbacks.progress import duration

FIGURES = {
    "confusion_difference.png": "How much more often the second predicts each class",
    "disagreements.png": "Images that one of the two classifies correctly",
}

_TURNED_SHOWN = 8


def page(difference: Difference, figures: Collection[str] = ()) -> str:
    """The whole difference in Markdown.

    Args:
        figures: names of those that lie beside the page.
    """
    first, second = map(markdown_text, (difference.first, difference.second))
    parts = [
        f"# {first} and {second}",
        *(f"- {markdown_text(note)}" for note in difference.notes),
        "## Recipe",
        _changes_or_none(difference, difference.recipe),
        "## Machine, software and data",
        _changes_or_none(difference, difference.environment),
        data_line(difference),
        "## Time to each validation accuracy",
        reached_table(difference).markdown(),
    ]
    if difference.outcomes:
        parts += [
            "## Predictions for the same test images",
            outcomes_table(difference, difference.outcomes).markdown(),
            markdown_text(verdict_line(difference, difference.outcomes)),
            "Largest changes:",
            turned_table(difference, difference.outcomes).markdown(),
        ]
    parts += [f"![{FIGURES[name]}]({name})" for name in FIGURES if name in figures]
    return markdown_page(parts)


def _changes_or_none(difference: Difference, changes: Sequence["Change"]) -> str:
    if not changes:
        return "Nothing differs."
    return changes_table(difference, changes).markdown()


def changes_table(difference: Difference, changes: Sequence["Change"]) -> Table:
    """One line for each setting or fact that differs."""
    first, second = difference.first, difference.second
    return Table(
        ("", first, second),
        tuple(
            (change.name, _value(change.first), _value(change.second))
            for change in changes
        ),
        words=(first, second),
    )


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value)


def data_line(difference: Difference) -> str:
    """Whether both were trained on the same data, in a sentence."""
    return {
        True: "Both have data with the same fingerprint.",
        False: "The fingerprints of their data differ.",
        None: "A fingerprint of the data is not recorded for both.",
    }[difference.same_data]


def reached_table(difference: Difference) -> Table:
    """Epoch and time at which each run came to an accuracy."""
    first, second = difference.first, difference.second
    return Table(
        (
            "validation accuracy",
            *(
                f"{name}: {what}"
                for name in (first, second)
                for what in ("epoch", "time")
            ),
        ),
        tuple(
            (
                f"{100 * level.accuracy:g}%",
                _epoch(level.first_epoch),
                _time(level.first_s),
                _epoch(level.second_epoch),
                _time(level.second_s),
            )
            for level in difference.reached
        ),
    )


def _epoch(epoch: int | None) -> str:
    return "–" if epoch is None else str(epoch)


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def outcomes_table(difference: Difference, found: "Outcomes") -> Table:
    """How many test images come to which outcome."""
    counts = {
        "both right": found.both_right,
        f"only {difference.first} right": found.test.only_first,
        f"only {difference.second} right": found.test.only_second,
        "both wrong, same class": found.both_wrong_alike,
        "both wrong, different classes": found.both_wrong_apart,
    }
    images = sum(counts.values())
    return Table(
        ("outcome", "images", "share"),
        tuple(
            (outcome, f"{count:,}", percent(count / images))
            for outcome, count in counts.items()
        ),
    )


def verdict_line(difference: Difference, found: "Outcomes") -> str:
    """The difference of the accuracies with its interval and p, in a sentence."""
    test, p = found.test, p_value(found.test.p)
    return (
        f"The test accuracy of {difference.second} less that of {difference.first} is "
        f"{points(test.difference)} points (95 % interval {points(test.interval.low)} "
        f"to {points(test.interval.high)}); McNemar's exact test: "
        f"p {'' if p.startswith('<') else '= '}{p}."
    )


def turned_table(difference: Difference, found: "Outcomes") -> Table:
    """The cells of the confusion matrix that changed most."""
    names = found.class_names
    cells = [
        (count, label, prediction)
        for label, row in enumerate(found.confusion)
        for prediction, count in enumerate(row)
        if count
    ]
    cells.sort(key=lambda cell: (-abs(cell[0]), cell[1:]))
    return Table(
        ("true class", "predicted class", f"{difference.second} − {difference.first}"),
        tuple(
            (names[label], names[prediction], f"{count:+,}")
            for count, label, prediction in cells[:_TURNED_SHOWN]
        ),
        words=("predicted class",),
    )
