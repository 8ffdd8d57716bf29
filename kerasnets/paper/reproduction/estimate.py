"""Estimate of a study's duration from a few steps of each distinct network."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.catalog.datasets import DATASETS
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.freed_models import frees_models
from kerasnets.paper.outcomes import FAILED, FINISHED, Outcome, outcome
from kerasnets.paper.plan import PlannedRun, RunsFolder, Study
from kerasnets.recipe import Recipe
from kerasnets.training.compile import ready_to_train

_WARM_UP, _STEPS = 2, 3
_WARM_UP_ON_CUDA = 5  # the fourth step is captured as a CUDA graph
_EVALUATION_BATCH = 256
_STEPS_PER_EPOCH = 1000  # for the schedule; the value does not affect the time


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
    study: Study,
    rows: Sequence[str],
    *,
    execution: Execution = DEFAULT,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Estimate, ...]:
    """Remaining time of each run of some rows, see `estimate_runs`.

    Args:
        rows: names of the study's rows.
    """
    return estimate_runs(
        [(study, planned) for planned in study.runs if planned.row in rows],
        execution=execution,
        say=say,
    )


def estimate_runs(
    runs: Sequence[tuple[RunsFolder, PlannedRun]],
    *,
    execution: Execution = DEFAULT,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Estimate, ...]:
    """Remaining time of each run. Writes nothing, and reads no data.

    Args:
        runs: runs with their folders.
        execution: device, engine and threads.
        say: receives a line before each measurement.

    Raises:
        BackendError: the device or engine is not available.
    """
    outcomes = {planned.name: outcome(place, planned) for place, planned in runs}
    speeds: dict[Hashable, Speed] = {}
    for _, planned in runs:
        key = _network_key(planned.recipe)
        if key not in speeds and _is_open(outcomes[planned.name]):
            say(f"measuring {planned.alternative or planned.row}")
            speeds[key] = measure(planned.recipe, execution)
    return tuple(
        _estimate(planned, outcomes[planned.name], speeds) for _, planned in runs
    )


@frees_models
def measure(recipe: Recipe, execution: Execution = DEFAULT) -> Speed:
    """Time a few steps of a recipe's network on random images."""
    rng = np.random.default_rng(0)
    spec = DATASETS[recipe.dataset]
    shape = (recipe.image_size, recipe.image_size, recipe.channels or spec.channels)

    def random_images(count: int) -> np.ndarray:
        return rng.random((count, *shape), dtype="float32")

    with execution.begin(recipe.precision) as (session, engine):
        model = ready_to_train(
            recipe,
            shape,
            spec.classes,
            _STEPS_PER_EPOCH,
            session=session,
            engine=engine,
        )
        x = random_images(recipe.batch_size)
        y = rng.integers(spec.classes, size=recipe.batch_size)
        on_cuda = session.device.startswith("cuda")
        warm_up = _WARM_UP_ON_CUDA if on_cuda else _WARM_UP
        training = _images_per_s(lambda: model.train_on_batch(x, y), len(x), warm_up)
        shown = random_images(_EVALUATION_BATCH)
        evaluation = _images_per_s(
            lambda: model.predict_on_batch(shown), len(shown), warm_up
        )
    return Speed(training, evaluation)


def _images_per_s(step: Callable[[], object], images: int, warm_up: int) -> float:
    for _ in range(warm_up):
        step()
    seconds = []
    for _ in range(_STEPS):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return images / float(np.median(seconds))


def _network_key(recipe: Recipe) -> Hashable:
    """The fields that affect the speed; dropout and initialization hardly do."""
    return (
        recipe.network,
        recipe.batch_norm,
        recipe.head,
        recipe.stem,
        recipe.growth_rate,
        recipe.image_size,
        recipe.channels,
        recipe.batch_size,
        recipe.precision,
    )


def _is_open(found: Outcome) -> bool:
    return found.state not in (FINISHED, FAILED)


def _estimate(
    planned: PlannedRun, found: Outcome, speeds: Mapping[Hashable, Speed]
) -> Estimate:
    recipe = planned.recipe
    train, validation, test = images(recipe)
    seconds = 0.0
    if _is_open(found):
        speed = speeds[_network_key(recipe)]
        epoch = train / speed.training + validation / speed.evaluation
        left = max(0, recipe.epochs - found.epochs)
        seconds = left * epoch + test / speed.evaluation
    return Estimate(planned, found, train, seconds)


def images(recipe: Recipe) -> tuple[int, int, int]:
    """Numbers of training, validation and test images of a recipe."""
    spec = DATASETS[recipe.dataset]
    available = recipe.limit or spec.train
    if isinstance(recipe.validation, str):
        return available, spec.test, spec.test
    held_out = round(recipe.validation * available)
    return available - held_out, held_out, spec.test
