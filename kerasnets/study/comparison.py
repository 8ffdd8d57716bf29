"""Several runs beside each other: accuracy, cost, speed, and whether they differ."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.study.comparison_page import page
from kerasnets.study.evaluated import Evaluated, read_evaluated, why_other_images
from kerasnets.study.notes import comparison_notes
from kerasnets.study.pareto import Front, fronts
from kerasnets.study.row import Row, make_row
from kerasnets.study.selection import labels
from kerasnets.study.statistics import CONFIDENCE, McNemar, holm, mcnemar


@dataclass(frozen=True)
class PairTest:
    """McNemar's test of two runs on the same test images.

    Attributes:
        first, second: labels.
        test: the counts, the difference of the accuracies, and p.
        holm_p: p after Holm's correction for all pairs of the comparison.
    """

    first: str
    second: str
    test: McNemar
    holm_p: float


@dataclass(frozen=True)
class Comparison:
    """What several runs say together.

    Attributes:
        rows: the runs, in the order given.
        mcnemar: a test for each pair of runs with the same test images.
        agreement: [rows][rows], the share of test images for which two runs predict
            the same class, in [0, 1]; None where they cannot be compared.
        pareto: for each cost, the runs that no other beats in accuracy at the same or
            a lower cost.
        notes: what a reader should know, one line each.
    """

    rows: tuple[Row, ...]
    mcnemar: tuple[PairTest, ...]
    agreement: tuple[tuple[float | None, ...], ...]
    pareto: tuple[Front, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values; the shares' intervals have `confidence`."""
        return {"confidence": CONFIDENCE, **asdict(self)}

    def to_markdown(self, figures: Collection[str] = ()) -> str:
        """The same as a page of tables and notes, with the rules they follow.

        Args:
            figures: names of those that lie beside the page.
        """
        return page(self, figures)


def compare(chosen: Sequence[Run]) -> Comparison:
    """Compare runs by their records; neither weights nor data are needed.

    Args:
        chosen: two runs or more that have each finished an epoch; others are left
            out, which a note says.

    Raises:
        RunError: fewer than two are left, or the records of one are damaged.
    """
    begun = [run for run in chosen if run.history]
    if len(begun) < 2:
        raise RunError(
            "a comparison needs two runs or more with a finished epoch, not "
            f"{len(begun)}."
        )
    named = list(zip(labels(begun), begun, strict=True))
    results = {label: found for label, run in named if (found := read_evaluated(run))}
    groups = _groups(results)
    rows = tuple(
        make_row(run, label, results.get(label), groups.get(label))
        for label, run in named
    )
    return Comparison(
        rows=rows,
        mcnemar=_pair_tests(results, groups),
        agreement=_agreement(rows, results),
        pareto=fronts(rows),
        notes=tuple(
            comparison_notes(
                rows,
                results,
                left_out=[str(run.path) for run in chosen if not run.history],
                smoothed=[label for label, run in named if run.loss_is_smoothed],
            )
        ),
    )


def _groups(results: dict[str, Evaluated]) -> dict[str, int]:
    """The number of the group of each run; in a group all saw the same test images."""
    groups: list[list[Evaluated]] = []
    numbers = {}
    for label, result in results.items():
        fitting = (
            number
            for number, group in enumerate(groups)
            if not any(why_other_images(result, other) for other in group)
        )
        numbers[label] = next(fitting, len(groups))
        if numbers[label] == len(groups):
            groups.append([])
        groups[numbers[label]].append(result)
    return numbers


def _pair_tests(
    results: dict[str, Evaluated], groups: dict[str, int]
) -> tuple[PairTest, ...]:
    pairs = [
        (first, second)
        for first, second in combinations(results, 2)
        if groups[first] == groups[second]
    ]
    tests = [mcnemar(results[a].correct, results[b].correct) for a, b in pairs]
    adjusted = holm([test.p for test in tests])
    return tuple(
        PairTest(first, second, test, p)
        for (first, second), test, p in zip(pairs, tests, adjusted, strict=True)
    )


def _agreement(
    rows: Sequence[Row], results: dict[str, Evaluated]
) -> tuple[tuple[float | None, ...], ...]:
    def share(a: Row, b: Row) -> float | None:
        if a.group is None or a.group != b.group:
            return None
        first, second = results[a.label].predictions, results[b.label].predictions
        return float((first.prediction == second.prediction).mean())

    return tuple(tuple(share(a, b) for b in rows) for a in rows)
