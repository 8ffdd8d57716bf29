"""Training, validation and test images of a recipe."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.datasets.dataset import Dataset, Split, Subset, statistics
from kerasnets.errors import DatasetError, option, unknown
from kerasnets.recipe import Recipe

UNUSED = -1  # label of images whose class the recipe does not use


@dataclass(frozen=True)
class Partition:
    """Training, validation and test images.

    `train` and `validation` are disjoint rows of the train split, unless the recipe
    monitors the test split, in which case `validation` is `test`. `test` consists of
    rows of the train split too if the dataset has no test split.
    """

    train: Subset
    validation: Subset
    test: Subset


def partition(dataset: Dataset, recipe: Recipe) -> Partition:
    """Split a dataset according to `recipe.limit`, `.validation` and `.seed`.

    First draws a stratified subset of `limit` training images, then from it the
    stratified validation fraction, unless the dataset has its own validation images.

    Raises:
        DatasetError: there are too few images.
    """
    chosen = _not_held_out(dataset)
    tested = np.flatnonzero(dataset.test.labels != UNUSED)
    if dataset.drawn is not None:
        tested = dataset.drawn
        chosen = np.setdiff1d(chosen, tested, assume_unique=True)
    if (dataset.held_out is None) == (recipe.validation == "split"):
        raise DatasetError(
            f"{dataset.name} has no validation split; name a fraction or 'test'."
            if dataset.held_out is None
            else f"{dataset.name} has a validation split, which a run on it monitors: "
            f"{option('validation', 'split')}, not {recipe.validation}."
        )
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
    if dataset.held_out is not None:
        return Partition(
            Subset(dataset.train, chosen), Subset(dataset.train, dataset.held_out), test
        )
    held_out = round(float(recipe.validation) * len(chosen))
    if not 0 < held_out <= len(chosen) - classes:
        raise DatasetError(
            f"a validation fraction of {recipe.validation:g} of {len(chosen)} images "
            "leaves none to validate on, or a class without training images; name "
            "another, or 'test'."
        )
    validation = _stratified(
        labels, chosen, held_out, rng, leave=1, groups=dataset.groups
    )
    _check_some(dataset, validation, "validate on")
    training = np.setdiff1d(chosen, validation, assume_unique=True)
    return Partition(
        Subset(dataset.train, training), Subset(dataset.train, validation), test
    )


TEST_FRACTION = 0.1  # the same as the validation fraction
OWN_TEST_FRACTION = 0.2  # larger, as own images are few


def draw_test(dataset: Dataset, fraction: float | None, seed: int) -> Dataset:
    """The dataset with a test split drawn from its training images, stratified.

    Args:
        dataset: one whose test split is empty.
        fraction: share of the training images; `TEST_FRACTION` unless given.
        seed: determines which images are drawn.

    Raises:
        DatasetError: there are too few images.
    """
    share = TEST_FRACTION if fraction is None else fraction
    labels = dataset.train.labels
    rows = _not_held_out(dataset)
    count = round(share * len(rows))
    if not 0 < count <= len(rows) - len(np.unique(labels)):
        raise DatasetError(
            f"{dataset.name} has no test split, and a test fraction of {share:g} of "
            f"its {len(rows)} images leaves none to test on, or a class without "
            "training images; name another."
        )
    drawn = _stratified(
        labels,
        rows,
        count,
        np.random.default_rng([seed, 3]),
        leave=1,
        groups=dataset.groups,
    )
    _check_some(dataset, drawn, "test on")
    mean, std = statistics(
        dataset.train.images, np.setdiff1d(rows, drawn, assume_unique=True)
    )
    note = (
        f"{len(drawn):,} of its {len(rows):,} training images (fraction {share:g}, "
        f"stratified, seed {seed}) are held out as the test split"
    )
    return dataclasses.replace(
        dataset,
        test=dataset.train,
        drawn=drawn,
        mean=mean,
        std=std,
        note="; ".join(filter(None, (dataset.note, note))),
    )


def of_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The dataset restricted to these classes, numbered in this order. Images of other
    classes remain in the arrays with the label `UNUSED`.

    Raises:
        DatasetError: a class is unknown, or has no images to train or test on.
    """
    for name in names:
        if name not in dataset.class_names:
            raise DatasetError(unknown("class", name, dataset.class_names))
    numbers = np.full(len(dataset.class_names), UNUSED)
    numbers[[dataset.class_names.index(name) for name in names]] = range(len(names))

    def used(rows: np.ndarray | None) -> np.ndarray | None:
        return rows if rows is None else rows[train.labels[rows] != UNUSED]

    train = Split(dataset.train.images, numbers[dataset.train.labels])
    drawn = used(dataset.drawn)
    test = train
    if dataset.drawn is None:
        test = Split(dataset.test.images, numbers[dataset.test.labels])
    rows = _not_held_out(dataclasses.replace(dataset, train=train))
    if drawn is not None:
        rows = np.setdiff1d(rows, drawn, assume_unique=True)
    for what, labels in (
        ("train", train.labels[rows]),
        ("test", test.labels if drawn is None else test.labels[drawn]),
    ):
        for number, name in enumerate(names):
            if number not in labels:
                raise DatasetError(
                    f"{dataset.name} has no images of the class {name!r} to {what} on."
                )
    mean, std = statistics(dataset.train.images, rows)
    digest = hashlib.sha256("\n".join([dataset.fingerprint, *names]).encode())
    return dataclasses.replace(
        dataset,
        train=train,
        test=test,
        class_names=tuple(names),
        mean=mean,
        std=std,
        fingerprint=digest.hexdigest(),
        drawn=drawn,
        held_out=used(dataset.held_out),
    )


def _stratified(
    labels: np.ndarray,
    rows: np.ndarray,
    count: int,
    rng: np.random.Generator,
    leave: int = 0,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Draw `count` of `rows`, stratified by class; sorted.

    At least `leave` images of every class are not drawn. As far as `count` allows, at
    least one image of every class with more than `leave` is drawn.

    Args:
        groups: see `Dataset`. Only whole groups are drawn, so there may be slightly
            fewer than `count` images.
    """
    classes, sizes = np.unique(labels[rows], return_counts=True)
    spare = sizes - leave
    ideal = sizes * (count / len(rows))
    take = np.minimum(np.floor(ideal).astype(int), spare)
    # Distribute the rounding remainder: first to classes with none, then by fraction.
    while take.sum() < count:
        order = np.lexsort((take - ideal, take > 0, take >= spare))
        take[order[0]] += 1
    # A class with none receives one from the class with the most.
    for poor in np.flatnonzero((take == 0) & (spare > 0)):
        rich = np.argmax(take)
        if take[rich] > 1:
            take[rich] -= 1
            take[poor] += 1
    picked = []
    for label, number in zip(classes, take, strict=True):
        order = rng.permutation(rows[labels[rows] == label])
        if groups is None:
            picked.append(order[:number])
        else:
            picked.append(_whole_groups(order, groups[order], number, leave))
    return np.sort(np.concatenate(picked))


def _whole_groups(
    order: np.ndarray, groups: np.ndarray, count: int, leave: int
) -> np.ndarray:
    """Draw about `count` of the rows `order` in whole groups, in order of their first
    appearance, without at least `leave` rows. If `count` is not 0 and the class has two
    groups or more, at least one is drawn."""
    _, first, inverse, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    taken, total = [], 0
    by_appearance = np.argsort(first)
    for group in by_appearance:
        if total + sizes[group] <= count:
            taken.append(group)
            total += sizes[group]
    if not taken and count and len(sizes) > 1:
        smallest = by_appearance[np.argmin(sizes[by_appearance])]
        if sizes[smallest] <= len(order) - leave:
            taken.append(smallest)
    return order[np.isin(inverse.reshape(-1), taken)]


def _check_some(dataset: Dataset, drawn: np.ndarray, purpose: str) -> None:
    if not len(drawn):
        raise DatasetError(
            f"{dataset.name} has too few different images in each class to {purpose}: "
            "identical images stay on one side of a split."
        )


def _not_held_out(dataset: Dataset) -> np.ndarray:
    rows = np.flatnonzero(dataset.train.labels != UNUSED)
    if dataset.held_out is None:
        return rows
    return np.setdiff1d(rows, dataset.held_out, assume_unique=True)


__all__ = ["Partition", "Split", "partition"]
