"""A comparison as tables of text, and as a Markdown page."""

from collections.abc import Collection

from kerasnets.catalog.titles import dataset_title
from kerasnets.comparison.compare import Comparison
from kerasnets.text import (
    Table,
    giga,
    markdown_page,
    markdown_text,
    millions,
    p_value,
    percent,
    points,
)
from kerasnets.training.callbacks.progress import duration

SIGNIFICANCE = 0.05

COST_TITLES = {
    "flops": "FLOPs an image",
    "parameters": "parameters",
    "total_s": "training time",
}

FIGURES = {
    "curves.png": "Validation loss and accuracy by epoch and by time",
    "pareto.png": "Test accuracy against cost",
}

RULES = (
    "Intervals are 95 % intervals: of an accuracy by Wilson's rule, of a difference by "
    "Agresti and Min's. They say how far the test images may mislead, not how another "
    "seed would do.",
    "P-values are McNemar's, exact and two-sided, on the same test images, adjusted by "
    f"Holm's rule for all pairs of the table; up to {SIGNIFICANCE} two runs differ.",
    "FLOPs are two for each multiply-accumulate of convolutions and dense layers.",
    "Times are of training and validation; seconds an epoch and images a second are "
    "those of the median epoch. Energy is what the device counts in that time, where "
    "it does: the whole board's or processor's.",
)


def page(comparison: Comparison, figures: Collection[str] = ()) -> str:
    """The whole comparison in Markdown.

    Args:
        figures: names of those that lie beside the page.
    """
    parts = [
        "# Comparison",
        accuracy_table(comparison).markdown(),
        cost_table(comparison).markdown(),
        *(f"- {markdown_text(note)}" for note in comparison.notes),
    ]
    if comparison.mcnemar:
        parts += [
            "## Do they differ?",
            pairs_table(comparison).markdown(),
            "## Same prediction",
            "The share of test images for which two runs predict the same class.",
            agreement_table(comparison).markdown(),
        ]
    fronts = front_lines(comparison)
    if fronts:
        parts += [
            "## Accuracy for its cost",
            "Runs that no other beats in test accuracy at the same or a lower cost:",
            *(f"- {markdown_text(line)}" for line in fronts),
        ]
    parts += [f"![{FIGURES[name]}]({name})" for name in FIGURES if name in figures]
    parts += ["## Rules", *(f"- {rule}" for rule in RULES)]
    return markdown_page(parts)


def accuracy_table(comparison: Comparison) -> Table:
    """What each run reached."""
    several = len({row.dataset for row in comparison.rows}) > 1
    return Table(
        (
            "run",
            "network",
            *(("dataset",) if several else ()),
            "epochs",
            "validation accuracy",
            "test accuracy",
            "95 % interval",
            "test loss",
        ),
        tuple(
            (
                row.label,
                row.network,
                *((dataset_title(row.dataset),) if several else ()),
                str(row.epochs),
                percent(row.validation_accuracy),
                percent(row.test_accuracy),
                f"{100 * row.interval.low:.2f} to {100 * row.interval.high:.2f}"
                if row.interval
                else "",
                "" if row.test_loss is None else f"{row.test_loss:.4f}",
            )
            for row in comparison.rows
        ),
        words=("network", "dataset"),
    )


def cost_table(comparison: Comparison) -> Table:
    """What each run costs."""
    counted = any(row.energy_j is not None for row in comparison.rows)
    return Table(
        (
            "run",
            "parameters",
            "GFLOPs/image",
            "s/epoch",
            "images/s",
            "training time",
            *(("energy (kJ)",) if counted else ()),
        ),
        tuple(
            (
                row.label,
                millions(row.parameters),
                giga(row.flops),
                "" if row.seconds_per_epoch is None else f"{row.seconds_per_epoch:.1f}",
                "" if row.images_per_s is None else f"{row.images_per_s:,.0f}",
                "" if row.total_s is None else duration(row.total_s),
                *((_kilojoules(row.energy_j),) if counted else ()),
            )
            for row in comparison.rows
        ),
    )


def _kilojoules(joules: float | None) -> str:
    return "" if joules is None else f"{joules / 1000:,.1f}"


def pairs_table(comparison: Comparison) -> Table:
    """One line a pair."""
    return Table(
        (
            "first",
            "second",
            "only first right",
            "only second right",
            "second − first (points)",
            "95 % interval",
            "p (Holm)",
            "verdict",
        ),
        tuple(
            (
                pair.first,
                pair.second,
                f"{pair.test.only_first:,}",
                f"{pair.test.only_second:,}",
                points(pair.test.difference),
                f"{points(pair.test.interval.low)} to "
                f"{points(pair.test.interval.high)}",
                p_value(pair.holm_p),
                "differ" if pair.holm_p <= SIGNIFICANCE else "not shown to differ",
            )
            for pair in comparison.mcnemar
        ),
        words=("second", "verdict"),
    )


def agreement_table(comparison: Comparison) -> Table:
    """A line and a column for each run."""
    names = tuple(row.label for row in comparison.rows)
    return Table(
        ("", *names),
        tuple(
            (name, *map(percent, shares))
            for name, shares in zip(names, comparison.agreement, strict=True)
        ),
    )


def front_lines(comparison: Comparison) -> list[str]:
    """One line for each cost and set of comparable runs."""
    several = len({front.among for front in comparison.pareto}) > 1
    return [
        f"{COST_TITLES[front.cost]}: {', '.join(front.front)}"
        + (f" (among {', '.join(front.among)})" if several else "")
        for front in comparison.pareto
        if len(front.among) > 1
    ]
