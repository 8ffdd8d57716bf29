"""Comparison of several runs: accuracy, cost, speed, significance of differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, count
from typing import Any

from kerasnets.catalog.titles import dataset_title
from kerasnets.comparison.evaluated import Evaluated, read_evaluated, why_other_images
from kerasnets.comparison.row import Row, make_row
from kerasnets.comparison.seeds import SeedGroup, SeedTest, seed_groups, seed_tests
from kerasnets.errors import RunError
from kerasnets.runs import Run
from kerasnets.runs.find import labels
from kerasnets.statistics import CONFIDENCE, McNemar, holm, mcnemar

COSTS = {
    "flops": "FLOPs an image",
    "parameters": "parameters",
    "total_s": "training time",
}


@dataclass(frozen=True)
class Front:
    """The Pareto front of accuracy against one cost, among comparable runs.

    Attributes:
        cost: a key of `COSTS`, a field of the rows.
        among: labels of the runs compared, which have the same test images and, for
            the time, the same device.
        front: labels of the runs that no other dominates (is at least as good in test
            accuracy and cost, and better in one), by increasing cost.
    """

    cost: str
    among: tuple[str, ...]
    front: tuple[str, ...]


def fronts(rows: Sequence[Row]) -> tuple[Front, ...]:
    """The Pareto fronts for every cost and every set of comparable runs."""
    sets: dict[tuple, dict[str, tuple[float, float]]] = {}
    for cost in COSTS:
        for row in rows:
            if row.group is not None and getattr(row, cost) is not None:
                device = row.device if cost == "total_s" else None
                points = sets.setdefault((cost, row.group, device), {})
                points[row.label] = getattr(row, cost), row.test_accuracy or 0.0
    return tuple(
        Front(cost, tuple(points), pareto_front(points))
        for (cost, *_), points in sets.items()
    )


def pareto_front(points: dict[str, tuple[float, float]]) -> tuple[str, ...]:
    """Names of the points (cost, gain) that no other dominates, by increasing cost."""

    def dominated(name: str) -> bool:
        cost, gain = points[name]
        return any(
            other[0] <= cost and other[1] >= gain and other != (cost, gain)
            for other in points.values()
        )

    front = (name for name in points if not dominated(name))
    return tuple(sorted(front, key=lambda name: points[name][0]))


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
    """The result of comparing several runs.

    Attributes:
        rows: the runs, in the order given.
        mcnemar: a test for each pair of runs with the same test images.
        agreement: [rows][rows], the share of test images for which two runs predict
            the same class, in [0, 1]; None where they cannot be compared.
        over_seeds: runs that differ in their seed only, by group.
        seed_tests: a test for each pair of these groups.
        pareto: the Pareto front of each cost.
        notes: remarks for readers, one line each.
    """

    rows: tuple[Row, ...]
    mcnemar: tuple[PairTest, ...]
    agreement: tuple[tuple[float | None, ...], ...]
    over_seeds: tuple[SeedGroup, ...]
    seed_tests: tuple[SeedTest, ...]
    pareto: tuple[Front, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values, with the intervals' confidence level."""
        return {"confidence": CONFIDENCE, **asdict(self)}


def compare(chosen: Sequence[Run]) -> Comparison:
    """Compare runs by their records, without weights or data.

    Args:
        chosen: at least two runs with a finished epoch; others are omitted with a note.

    Raises:
        RunError: fewer than two remain, or the records of one are damaged.
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
    over_seeds = seed_groups(results)
    return Comparison(
        rows=rows,
        mcnemar=_pair_tests(results, groups),
        agreement=_agreement(rows, results),
        over_seeds=over_seeds,
        seed_tests=seed_tests(over_seeds, results),
        pareto=fronts(rows),
        notes=tuple(_notes(chosen, named, rows, results)),
    )


def _notes(
    chosen: Sequence[Run],
    named: Sequence[tuple[str, Run]],
    rows: Sequence[Row],
    results: Mapping[str, Evaluated],
) -> Iterator[str]:
    """Notes on what is missing, and what cannot be compared and why."""
    if left_out := [str(run.path) for run in chosen if not run.history]:
        yield f"Left out, no finished epoch: {', '.join(left_out)}."
    if short := [
        f"{row.label} ({row.epochs} of {row.planned_epochs} epochs)"
        for row in rows
        if row.epochs < row.planned_epochs and not row.stopped
    ]:
        yield f"Training has not finished: {', '.join(short)}."
    if stopped := [
        f"{row.label} (after {row.epochs} of {row.planned_epochs} epochs; "
        f"{row.stopped})"
        for row in rows
        if row.stopped
    ]:
        yield f"Stopped early: {'; '.join(stopped)}."
    if waiting := [row.label for row in rows if row.group is None]:
        yield (
            f"Not evaluated on the test split yet: {', '.join(waiting)} ('kerasnets "
            "evaluate RUN' does that)."
        )
    if untimed := [row.label for row in rows if row.total_s is None]:
        yield f"No times of every epoch: {', '.join(untimed)}."
    datasets = sorted({row.dataset for row in rows})
    if len(datasets) > 1:
        titles = ", ".join(map(dataset_title, datasets))
        yield f"Accuracies are compared within a dataset only (here: {titles})."
    for dataset in datasets:
        alike = [r for r in rows if r.dataset == dataset and r.group is not None]
        for row in alike:
            why = why_other_images(results[alike[0].label], results[row.label])
            if row.group != alike[0].group and why:
                yield (
                    f"{row.label} is not compared with {alike[0].label} image by "
                    f"image: {why}."
                )
    if len({row.device for row in rows}) > 1:
        devices = "; ".join(f"{row.label} {row.device}" for row in rows)
        yield f"Times are of different devices: {devices}."
    if monitored := [row.label for row in rows if row.monitored == "test"]:
        yield f"Validation of {', '.join(monitored)} is on the test split."
    if smoothed := [label for label, run in named if run.loss_is_smoothed]:
        yield f"The validation loss of {', '.join(smoothed)} has label smoothing in it."


def _groups(results: Mapping[str, Evaluated]) -> dict[str, int]:
    """Group number of each run; runs of a group have the same test images."""
    groups: dict[str, int] = {}
    for label, result in results.items():
        apart = {
            group
            for other, group in groups.items()
            if why_other_images(result, results[other])
        }
        groups[label] = next(number for number in count() if number not in apart)
    return groups


def _pair_tests(
    results: dict[str, Evaluated], groups: dict[str, int]
) -> tuple[PairTest, ...]:
    tests = {
        (first, second): mcnemar(results[first].correct, results[second].correct)
        for first, second in combinations(results, 2)
        if groups[first] == groups[second]
    }
    adjusted = holm([test.p for test in tests.values()])
    return tuple(
        PairTest(*pair, test, p)
        for (pair, test), p in zip(tests.items(), adjusted, strict=True)
    )


def _agreement(
    rows: Sequence[Row], results: dict[str, Evaluated]
) -> tuple[tuple[float | None, ...], ...]:
    def share(a: Row, b: Row) -> float | None:
        if a.group is None or a.group != b.group:
            return None
        first, second = (results[row.label].predictions.prediction for row in (a, b))
        return float((first == second).mean())

    return tuple(tuple(share(a, b) for b in rows) for a in rows)
