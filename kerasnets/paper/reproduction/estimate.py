"""Estimate of a study's duration from a few steps of each distinct network."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from kerasnets.catalog.datasets import DATASETS
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.compute.step_time import step_seconds
from kerasnets.paper.outcomes import Outcome, is_settled, outcome
from kerasnets.paper.plan import PlannedRun
from kerasnets.recipe import Recipe
from kerasnets.training.compile import ready_to_train

_EVALUATION_BATCH = 256
_STEPS_PER_EPOCH = 1000  # for the schedule; the value does not affect the time


# The fields that affect the speed; dropout and initialization hardly do.
_network_key = attrgetter(
    "network",
    "batch_norm",
    "head",
    "stem",
    "growth_rate",
    "image_size",
    "channels",
    "batch_size",
    "precision",
)


@dataclass(frozen=True)
class Speed:
    """Images per second of one network on this machine."""

    training: float
    evaluation: float


@dataclass(frozen=True)
class Estimate:
    """The remaining work of one run.

    Attributes:
        planned: the run.
        outcome: its progress.
        train_images: training images per epoch.
        seconds: remaining seconds of training, validation and test, excluding startup,
            checkpoints and figures.
    """

    planned: PlannedRun
    outcome: Outcome
    train_images: int
    seconds: float


def estimate(
    runs: Sequence[PlannedRun],
    *,
    execution: Execution = DEFAULT,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Estimate, ...]:
    """Remaining time of each run. Writes nothing, and reads no data.

    Args:
        execution: device, engine and threads.
        say: receives a line before each measurement.

    Raises:
        BackendError: the device or engine is not available.
    """
    outcomes = [outcome(planned) for planned in runs]
    speeds: dict[Hashable, Speed] = {}
    estimates = []
    for planned, found in zip(runs, outcomes, strict=True):
        recipe = planned.recipe
        train, validation, test = images(recipe)
        seconds = 0.0
        if not is_settled(planned):
            key = _network_key(recipe)
            if key not in speeds:
                say(f"measuring {planned.alternative or planned.row}")
                speeds[key] = measure(recipe, execution)
            speed = speeds[key]
            epoch = train / speed.training + validation / speed.evaluation
            left = max(0, recipe.epochs - found.epochs)
            seconds = left * epoch + test / speed.evaluation
        estimates.append(Estimate(planned, found, train, seconds))
    return tuple(estimates)


@frees_models
def measure(recipe: Recipe, execution: Execution = DEFAULT) -> Speed:
    """Time a few steps of a recipe's network on random images."""
    rng = np.random.default_rng(0)
    spec = DATASETS[recipe.dataset]
    shape = (recipe.image_size, recipe.image_size, recipe.channels or spec.channels)
    with execution.begin(recipe.precision) as (session, engine):
        model = ready_to_train(
            recipe,
            shape,
            spec.classes,
            _STEPS_PER_EPOCH,
            session=session,
            engine=engine,
        )
        x, shown = (
            rng.random((count, *shape), dtype="float32")
            for count in (recipe.batch_size, _EVALUATION_BATCH)
        )
        y = rng.integers(spec.classes, size=recipe.batch_size)
        training = step_seconds(lambda: model.train_on_batch(x, y), session.device)
        evaluation = step_seconds(lambda: model.predict_on_batch(shown), session.device)
    return Speed(len(x) / training, len(shown) / evaluation)


def images(recipe: Recipe) -> tuple[int, int, int]:
    """Numbers of training, validation and test images of a recipe."""
    spec = DATASETS[recipe.dataset]
    available = recipe.limit or spec.train
    if isinstance(recipe.validation, str):
        return available, spec.test, spec.test
    held_out = round(recipe.validation * available)
    return available - held_out, held_out, spec.test
