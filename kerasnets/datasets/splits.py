"""Which images a recipe trains on, monitors and tests on."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split, Subset, statistics
from kerasnets.errors import DatasetError
from kerasnets.recipe import Recipe


@dataclass(frozen=True)
class Partition:
    """Training and validation are disjoint rows of the train split, unless the recipe
    monitors the test split: then `validation` is `test`. So is `test` where the dataset
    has no test split."""

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
    chosen = np.arange(len(dataset.train))
    tested = np.arange(len(dataset.test))
    if dataset.drawn is not None:
        tested = dataset.drawn
        chosen = np.setdiff1d(chosen, tested, assume_unique=True)
    labels = dataset.train.labels
    classes = len(np.unique(labels[chosen]))
    if recipe.limit is not None and not classes <= recipe.limit <= len(chosen):
        raise DatasetError(
            f"limit {recipe.limit} is not from {classes} (one image a class) to "
            f"{len(chosen)} (all training images of {dataset.name})."
        )
    rng = np.random.default_rng([recipe.seed, 0])
    if recipe.limit is not None:
        chosen = _stratified(labels, chosen, recipe.limit, rng)
    test = Subset(dataset.test, tested)
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


TEST_FRACTION = 0.1  # as much as is validated on


def draw_test(dataset: Dataset, fraction: float | None, seed: int) -> Dataset:
    """The dataset with a test split drawn from its training images, stratified.

    Args:
        dataset: one whose test split is empty.
        fraction: of the training images; `TEST_FRACTION` unless given.
        seed: decides which.

    Raises:
        DatasetError: there are too few images for that.
    """
    share = TEST_FRACTION if fraction is None else fraction
    labels = dataset.train.labels
    rows = np.arange(len(labels))
    count = round(share * len(rows))
    if not 0 < count <= len(rows) - len(np.unique(labels)):
        raise DatasetError(
            f"{dataset.name} has no test split, and a test fraction of {share:g} of "
            f"its {len(rows)} images leaves none to test on, or a class without "
            "training images; name another."
        )
    drawn = _stratified(labels, rows, count, np.random.default_rng([seed, 3]), leave=1)
    mean, std = statistics(
        dataset.train.images, np.setdiff1d(rows, drawn, assume_unique=True)
    )
    note = (
        f"{count:,} of its {len(rows):,} training images (fraction {share:g}, "
        f"stratified, seed {seed}) are tested on in the place of a test split"
    )
    return dataclasses.replace(
        dataset,
        test=dataset.train,
        drawn=drawn,
        mean=mean,
        std=std,
        note="; ".join(filter(None, (dataset.note, note))),
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
