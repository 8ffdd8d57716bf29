"""Accuracy against cost: the runs that none beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass

from kerasnets.study.row import Row

COSTS = ("flops", "parameters", "total_s")


@dataclass(frozen=True)
class Front:
    """The runs on the Pareto front of one cost, among those that can be compared.

    Attributes:
        cost: one of `COSTS`, a field of the rows.
        among: labels of the runs compared: the same test images, and for the time the
            same device.
        front: labels of those that no other equals or beats in both test accuracy and
            cost while being better in one; by rising cost.
    """

    cost: str
    among: tuple[str, ...]
    front: tuple[str, ...]


def fronts(rows: Sequence[Row]) -> tuple[Front, ...]:
    """The front of every cost and every set of comparable runs."""
    found = []
    for cost in COSTS:
        sets: dict[tuple, list[Row]] = {}
        for row in rows:
            if row.group is not None and getattr(row, cost) is not None:
                device = row.device if cost == "total_s" else None
                sets.setdefault((row.group, device), []).append(row)
        for alike in sets.values():
            points = {
                row.label: (getattr(row, cost), row.test_accuracy or 0.0)
                for row in alike
            }
            found.append(Front(cost, tuple(points), pareto_front(points)))
    return tuple(found)


def pareto_front(points: dict[str, tuple[float, float]]) -> tuple[str, ...]:
    """Names of the points (cost, gain) that none dominates, by rising cost."""

    def dominated(name: str) -> bool:
        cost, gain = points[name]
        return any(
            other[0] <= cost and other[1] >= gain and other != (cost, gain)
            for other in points.values()
        )

    return tuple(
        sorted(
            (name for name in points if not dominated(name)),
            key=lambda name: points[name][0],
        )
    )
