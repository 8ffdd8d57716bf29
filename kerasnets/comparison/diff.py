"""Differences between two runs: settings, machine, data, predictions, speed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from kerasnets.comparison.evaluated import read_evaluated, why_other_images
from kerasnets.errors import RunError
from kerasnets.recipe import Recipe
from kerasnets.runs import Run
from kerasnets.runs.find import labels
from kerasnets.runs.records import LearningCurve, environment, learning_curve
from kerasnets.statistics import McNemar, mcnemar

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)

_ROUNDING = 1e-6  # accuracies are float32: 540 of 600 images are 0.89999998


@dataclass(frozen=True)
class Reached:
    """The first epochs after which the runs had reached an accuracy.

    Attributes:
        accuracy: on the monitored images, in [0, 1].
        first_epoch, second_epoch: epoch of each run; None if it never reached it.
        first_s, second_s: seconds of training and validation until then; None too if
            the epochs were not timed.
    """

    accuracy: float
    first_epoch: int | None
    first_s: float | None
    second_epoch: int | None
    second_s: float | None


def reached(first: Run, second: Run) -> tuple[Reached, ...]:
    """An entry for each of `LEVELS` that a run reached, except levels that both runs
    reached in the same epoch as the next one.

    Raises:
        RunError: a run has no finished epoch, or damaged records.
    """
    curves = learning_curve(first), learning_curve(second)
    found: dict[tuple[int | None, ...], Reached] = {}
    for level in LEVELS:
        (a, a_s), (b, b_s) = (_moment(curve, level) for curve in curves)
        if a or b:
            found[a, b] = Reached(level, a, a_s, b, b_s)
    return tuple(found.values())


def _moment(curve: LearningCurve, level: float) -> tuple[int | None, float | None]:
    for place, accuracy in enumerate(curve.accuracy):
        if accuracy >= level - _ROUNDING:
            return curve.epochs[place], curve.ends_s[place] if curve.ends_s else None
    return None, None


# Keys of environment.json that always differ, or are shown elsewhere.
_NOT_COMPARED = (
    *("started", "resumed", "dataset_load_s", "start_s"),
    *("class_names", "dataset_fingerprint"),
)


@dataclass(frozen=True)
class Change:
    """A setting or fact that differs.

    Attributes:
        name: field of the recipe, or key of environment.json (nested ones as
            "packages.torch").
        first, second: JSON values; None if a run lacks it.
    """

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Outcomes:
    """Agreement of the runs' predictions for the same test images; counts of images.

    Attributes:
        both_right: both predict the label.
        both_wrong_alike: both predict the same wrong class.
        both_wrong_apart: both predict different wrong classes.
        test: McNemar's test on the images that only one classifies correctly.
        confusion: int [classes][classes], row: label, column: prediction; the second
            run's counts minus the first's.
        class_names: by class index.
    """

    both_right: int
    both_wrong_alike: int
    both_wrong_apart: int
    test: McNemar
    confusion: tuple[tuple[int, ...], ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """The differences between two runs.

    Attributes:
        first, second: distinct labels.
        first_run, second_run: paths of the run folders.
        recipe: hyper-parameters that differ.
        environment: facts of machine, software and data that differ.
        same_data: whether they were trained on data with the same fingerprint; None if
            that is not recorded.
        outcomes: of the test images; None if they cannot be compared.
        reached: when each run reached a validation accuracy.
        notes: remarks for readers, one line each.
    """

    first: str
    second: str
    first_run: str
    second_run: str
    recipe: tuple[Change, ...]
    environment: tuple[Change, ...]
    same_data: bool | None
    outcomes: Outcomes | None
    reached: tuple[Reached, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The differences as JSON values."""
        return asdict(self)


def diff(first: Run, second: Run) -> Difference:
    """Compare two runs by their records, without weights or data.

    Raises:
        RunError: they are the same run, or one has damaged records or no finished
            epoch.
    """
    if first.path.resolve() == second.path.resolve():
        raise RunError(f"{first.path} cannot differ from itself; name two runs.")
    names = labels([first, second])
    environments = environment(first), environment(second)
    prints = [recorded.get("dataset_fingerprint") for recorded in environments]
    outcomes, why = _outcomes(first, second, environments[0])
    return Difference(
        first=names[0],
        second=names[1],
        first_run=str(first.path),
        second_run=str(second.path),
        recipe=_changes(_effective(first.recipe), _effective(second.recipe)),
        environment=_changes(*map(_flat, environments)),
        same_data=prints[0] == prints[1] if all(prints) else None,
        outcomes=outcomes,
        reached=reached(first, second),
        notes=tuple(_notes(first.recipe, second.recipe, why)),
    )


def _effective(recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields; None for those that have no effect."""
    return {**asdict(recipe), **dict.fromkeys(recipe.without_effect)}


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    names = dict.fromkeys([*first, *second])
    changes = (Change(name, first.get(name), second.get(name)) for name in names)
    return tuple(change for change in changes if change.first != change.second)


def _flat(recorded: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in recorded.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": fact for inner, fact in value.items()}
        elif name not in _NOT_COMPARED:
            flat[name] = value
    return flat


def _outcomes(
    first: Run, second: Run, recorded: Mapping[str, Any]
) -> tuple[Outcomes | None, str]:
    """Agreement of the predictions, or why it is unknown."""
    a, b = read_evaluated(first), read_evaluated(second)
    if a is None or b is None:
        run = second if a else first
        return None, f"{run.path} is not evaluated on the test split"
    if why := why_other_images(a, b):
        return None, why
    class_names = tuple(recorded.get("class_names", ()))
    p, q = a.predictions, b.predictions
    used = p.label, p.prediction, q.prediction
    if not class_names or max(values.max() for values in used) >= len(class_names):
        raise RunError(f"{first.path / 'environment.json'} lacks the class names.")
    wrong = ~a.correct & ~b.correct
    alike = p.prediction == q.prediction
    change = np.zeros((len(class_names), len(class_names)), int)
    np.add.at(change, (q.label, q.prediction), 1)
    np.subtract.at(change, (p.label, p.prediction), 1)
    outcomes = Outcomes(
        both_right=int((a.correct & b.correct).sum()),
        both_wrong_alike=int((wrong & alike).sum()),
        both_wrong_apart=int((wrong & ~alike).sum()),
        test=mcnemar(a.correct, b.correct),
        confusion=tuple(map(tuple, change.tolist())),
        class_names=class_names,
    )
    return outcomes, ""


def _notes(first: Recipe, second: Recipe, why: str) -> Iterator[str]:
    if why:
        yield f"Predictions are not compared: {why}."
    if _monitored(first) != _monitored(second):
        yield "The validation images of the two are not the same."


def _monitored(recipe: Recipe) -> tuple[Any, ...]:
    """The fields that determine the images measured after each epoch. Whether test
    images are the same is known from the predictions."""
    drawn = isinstance(recipe.validation, float)
    by_draw = ("limit", "seed", "test_fraction") if drawn else ()
    return attrgetter("dataset", "classes", "validation", *by_draw)(recipe)
