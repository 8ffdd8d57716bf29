"""The runs beside each other: what they reach, what they cost, and whether they
differ."""

from kerasnets.comparison.compare import Comparison
from kerasnets.comparison.pages import (
    RULES,
    accuracy_table,
    agreement_table,
    cost_table,
    front_lines,
    pairs_table,
)
from kerasnets.report.html import (
    Html,
    bullets,
    element,
    folded,
    paragraph,
    section,
    table,
)


def comparison_section(comparison: Comparison | None) -> Html:
    """Accuracy, cost, McNemar's tests and agreement; empty with fewer than two runs."""
    if comparison is None:
        return Html()
    parts = [
        table(accuracy_table(comparison), "Accuracy of each run"),
        element("h3", "Cost"),
        table(cost_table(comparison), "Cost of each run"),
    ]
    fronts = front_lines(comparison)
    if fronts:
        parts += [
            element("h3", "Accuracy for its cost"),
            paragraph(
                "Runs that no other beats in test accuracy at the same or a lower cost:"
            ),
            bullets(fronts),
        ]
    if comparison.mcnemar:
        parts += [
            element("h3", "Do they differ?"),
            paragraph(_how_many_differ(comparison)),
            folded(
                f"All {len(comparison.mcnemar)} pairs",
                table(pairs_table(comparison), "McNemar's test of each pair"),
            ),
            folded(
                "Same prediction",
                paragraph(
                    "The share of test images for which two runs predict the same "
                    "class."
                ),
                table(agreement_table(comparison), "Agreement of the runs"),
            ),
        ]
    return section(
        "comparison",
        "The runs beside each other",
        *parts,
        bullets(comparison.notes),
        folded("Rules", bullets(RULES)),
    )


def _how_many_differ(comparison: Comparison) -> str:
    verdicts = [row[-1] for row in pairs_table(comparison).rows]
    return (
        f"{verdicts.count('differ')} of {len(verdicts)} pairs on the same test images "
        "differ by McNemar's test at the adjusted 5 % level."
    )
