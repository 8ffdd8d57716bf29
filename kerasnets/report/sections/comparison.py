"""Comparison of the runs: accuracy, cost, and whether they differ."""

from typing import Any

from kerasnets.comparison import pages
from kerasnets.report.sources import Sources


def comparison(sources: Sources) -> dict[str, Any] | None:
    """Accuracy, cost, McNemar's tests and agreement; None for fewer than two runs."""
    found = sources.comparison
    if found is None:
        return None
    pairs = pages.pairs_table(found)
    return {
        "accuracy": pages.accuracy_table(found),
        "cost": pages.cost_table(found),
        "seeds": pages.seeds_table(found),
        "seed_differences": pages.seed_differences_table(found),
        "fronts": pages.front_lines(found),
        "pairs": pairs,
        "differ": sum(row[-1] == "differ" for row in pairs.rows),
        "agreement": pages.agreement_table(found),
        "notes": found.notes,
        "rules": pages.RULES,
    }
