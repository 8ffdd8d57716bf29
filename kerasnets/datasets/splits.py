"""Which images a recipe trains on, monitors and tests on."""

from dataclasses import dataclass

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split, Subset
from kerasnets.errors import DatasetError
from kerasnets.recipes import Recipe


@dataclass(frozen=True)
class Partition:
    """Training and validation are disjoint rows of the train split, unless the recipe
    monitors the test split: then `validation` is `test`."""

    train: Subset
    validation: Subset
    test: Subset


def partition(dataset: Dataset, recipe: Recipe) -> Partition:
    """Split as `recipe.limit`, `recipe.validation` and `recipe.seed` say.

    First a stratified subset of `limit` training images, then the validation fraction
    of it, stratified too.

    Raises:
        DatasetError: there are too few images for that.
    """
    available = len(dataset.train)
    if recipe.limit is not None and recipe.limit > available:
        raise DatasetError(
            f"limit {recipe.limit} is more than the {available} training images of "
            f"{dataset.name}."
        )
    labels = dataset.train.labels
    rng = np.random.default_rng([recipe.seed, 0])
    chosen = np.arange(available)
    if recipe.limit is not None:
        chosen = _stratified(labels, chosen, recipe.limit, rng)
    test = Subset(dataset.test, np.arange(len(dataset.test)))
    if recipe.validation == "test":
        return Partition(Subset(dataset.train, chosen), test, test)
    held_out = round(float(recipe.validation) * len(chosen))
    if not 0 < held_out < len(chosen):
        raise DatasetError(
            f"a validation fraction of {recipe.validation:g} leaves no validation or "
            f"no training images of {len(chosen)}; name another, or 'test'."
        )
    validation = _stratified(labels, chosen, held_out, rng)
    training = np.setdiff1d(chosen, validation, assume_unique=True)
    return Partition(
        Subset(dataset.train, training), Subset(dataset.train, validation), test
    )


def _stratified(
    labels: np.ndarray, rows: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """`count` of `rows`, sorted, each class's share kept to within one image: whole
    parts first, then the largest remainders."""
    classes, sizes = np.unique(labels[rows], return_counts=True)
    ideal = sizes * (count / len(rows))
    take = np.floor(ideal).astype(int)
    order = np.argsort(-(ideal - take), kind="stable")
    take[order[: count - take.sum()]] += 1
    picked = [
        rng.permutation(rows[labels[rows] == label])[:number]
        for label, number in zip(classes, take, strict=True)
    ]
    return np.sort(np.concatenate(picked))


__all__ = ["Partition", "Split", "partition"]
