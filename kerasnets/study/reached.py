"""When two runs came to which validation accuracy."""

from dataclasses import dataclass

from kerasnets.evaluation.learning_curve import LearningCurve, learning_curve
from kerasnets.runs import Run

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)

_ROUNDING = 1e-6  # accuracies are float32: 540 of 600 images come as 0.89999998


@dataclass(frozen=True)
class Reached:
    """The first epoch after which a run was at `accuracy` or better.

    Attributes:
        accuracy: of the monitored images, in [0, 1].
        first_epoch, second_epoch: of each run, None where it never came so far.
        first_s, second_s: seconds of training and validation until then; None also
            where the epochs were not timed.
    """

    accuracy: float
    first_epoch: int | None
    first_s: float | None
    second_epoch: int | None
    second_s: float | None


def reached(first: Run, second: Run) -> tuple[Reached, ...]:
    """One entry for each of `LEVELS` that a run came to, except those that both had
    passed already after the same epoch as the next one.

    Raises:
        RunError: a run has no finished epoch, or damaged records.
    """
    curves = learning_curve(first), learning_curve(second)
    found: list[Reached] = []
    for level in LEVELS:
        moments = [_moment(curve, level) for curve in curves]
        if moments == [(None, None)] * 2:
            break
        (first_epoch, first_s), (second_epoch, second_s) = moments
        entry = Reached(level, first_epoch, first_s, second_epoch, second_s)
        if found and (found[-1].first_epoch, found[-1].second_epoch) == (
            first_epoch,
            second_epoch,
        ):
            found.pop()
        found.append(entry)
    return tuple(found)


def _moment(curve: LearningCurve, level: float) -> tuple[int | None, float | None]:
    for place, accuracy in enumerate(curve.accuracy):
        if accuracy >= level - _ROUNDING:
            return curve.epochs[place], curve.ends_s[place] if curve.ends_s else None
    return None, None
