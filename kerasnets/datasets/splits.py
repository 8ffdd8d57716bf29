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
    labels = dataset.train.labels
    classes = len(np.unique(labels))
    if recipe.limit is not None and not classes <= recipe.limit <= available:
        raise DatasetError(
            f"limit {recipe.limit} is not from {classes} (one image a class) to "
            f"{available} (all training images of {dataset.name})."
        )
    rng = np.random.default_rng([recipe.seed, 0])
    chosen = np.arange(available)
    if recipe.limit is not None:
        chosen = _stratified(labels, chosen, recipe.limit, rng)
    test = Subset(dataset.test, np.arange(len(dataset.test)))
    if recipe.validation == "test":
        return Partition(Subset(dataset.train, chosen), test, test)
    held_out = round(float(recipe.validation) * len(chosen))
    if not 0 < held_out <= len(chosen) - classes:
        raise DatasetError(
            f"a validation fraction of {recipe.validation:g} of {len(chosen)} images "
            "leaves none to validate on, or a class without training images; name "
            "another, or 'test'."
        )
    validation = _stratified(labels, chosen, held_out, rng, leave=1)
    training = np.setdiff1d(chosen, validation, assume_unique=True)
    return Partition(
        Subset(dataset.train, training), Subset(dataset.train, validation), test
    )


def _stratified(
    labels: np.ndarray,
    rows: np.ndarray,
    count: int,
    rng: np.random.Generator,
    leave: int = 0,
) -> np.ndarray:
    """`count` of `rows`, sorted, in the proportions of the classes.

    At least `leave` images of every class are left; as far as `count` goes, at least
    one of every class that can spare it is taken.
    """
    classes, sizes = np.unique(labels[rows], return_counts=True)
    spare = sizes - leave
    ideal = sizes * (count / len(rows))
    take = np.minimum(np.floor(ideal).astype(int), spare)
    # What rounding left over: first to classes with none, then by the remainder.
    while take.sum() < count:
        order = np.lexsort((take - ideal, take > 0, take >= spare))
        take[order[0]] += 1
    # A class with none takes the place of one image of the class with most.
    for poor in np.flatnonzero((take == 0) & (spare > 0)):
        rich = np.argmax(take)
        if take[rich] > 1:
            take[rich] -= 1
            take[poor] += 1
    picked = [
        rng.permutation(rows[labels[rows] == label])[:number]
        for label, number in zip(classes, take, strict=True)
    ]
    return np.sort(np.concatenate(picked))


__all__ = ["Partition", "Split", "partition"]
