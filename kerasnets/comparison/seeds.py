"""Runs that differ in their seed only: mean accuracy, and mean paired difference."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from kerasnets.comparison.evaluated import Evaluated, why_other_images
from kerasnets.statistics import SeedInterval, over_seeds


@dataclass(frozen=True)
class SeedGroup:
    """Evaluated runs of one recipe under at least two seeds.

    Attributes:
        name: their label without the seed, or all labels.
        labels: of the runs, by increasing seed.
        seeds: of the recipes, in the same order.
        accuracies: on the test split, shares in [0, 1], in the same order.
        mean: of `accuracies`.
        interval: of the mean.
    """

    name: str
    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    mean: float
    interval: SeedInterval


@dataclass(frozen=True)
class SeedTest:
    """The accuracy of the second group minus that of the first, seed by seed.

    Attributes:
        first, second: names of the groups.
        seeds: those that both have, with the same test images.
        difference: the mean.
        interval: of the mean.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    difference: float
    interval: SeedInterval


def seed_groups(results: Mapping[str, Evaluated]) -> tuple[SeedGroup, ...]:
    """The groups among evaluated runs, given by label. Of runs with the same recipe and
    seed, the first counts."""
    found: dict[str, dict[int, str]] = {}
    for label, result in results.items():
        recipe = result.run.recipe
        of_any_seed = dataclasses.replace(recipe, seed=0).to_json()
        found.setdefault(of_any_seed, {}).setdefault(recipe.seed, label)
    groups = []
    for by_seed in found.values():
        if len(by_seed) > 1:
            seeds, labels = zip(*sorted(by_seed.items()), strict=True)
            shares = tuple(float(results[label].correct.mean()) for label in labels)
            mean, interval = fmean(shares), over_seeds(shares)
            name = _name(labels, seeds)
            groups.append(SeedGroup(name, labels, seeds, shares, mean, interval))
    return tuple(groups)


def seed_tests(
    groups: Sequence[SeedGroup], results: Mapping[str, Evaluated]
) -> tuple[SeedTest, ...]:
    """A test for each pair of groups with at least two seeds in common."""
    tests = []
    for first, second in combinations(groups, 2):
        theirs = {seed: row for row, seed in enumerate(second.seeds)}
        differences = {
            seed: second.accuracies[theirs[seed]] - first.accuracies[row]
            for row, seed in enumerate(first.seeds)
            if seed in theirs
            and not why_other_images(
                results[first.labels[row]], results[second.labels[theirs[seed]]]
            )
        }
        if len(differences) > 1:
            values = tuple(differences.values())
            interval = over_seeds(values, lowest=-1)
            seeds = tuple(differences)
            tests.append(
                SeedTest(first.name, second.name, seeds, fmean(values), interval)
            )
    return tuple(tests)


def _name(labels: Sequence[str], seeds: Sequence[int]) -> str:
    names = {
        re.sub(rf"[-_](seed)?[-_]?{seed}$", "", label)
        for label, seed in zip(labels, seeds, strict=True)
    }
    return names.pop() if len(names) == 1 else ", ".join(labels)
