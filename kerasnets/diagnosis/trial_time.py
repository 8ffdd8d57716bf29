"""Estimate the duration of a diagnosis from a few of its steps."""

import dataclasses
import time
from collections.abc import Callable

from kerasnets import datasets
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.freed_models import frees_models
from kerasnets.diagnosis.diagnose import STEPS
from kerasnets.diagnosis.trial import STATISTICS_BATCHES
from kerasnets.diagnosis.variants import MODIFIED, to_try
from kerasnets.recipe import Recipe
from kerasnets.training.compile import open_training

_WARM_UP, _TIMED = 1, 2  # steps


@frees_models
def expected_s(
    recipe: Recipe,
    *,
    steps: int = STEPS,
    ablate: bool = False,
    execution: Execution = DEFAULT,
) -> float:
    """Estimated seconds of `diagnose.diagnose`, as if every variant were as slow as the
    one with batch norm; excludes drawing and measuring layers.

    Raises:
        KerasnetsError: the device, the engine or the data is not available.
    """
    trials = len(to_try(recipe, ablate=ablate))
    modified = dataclasses.replace(
        recipe, batch_norm=MODIFIED.batch_norm, glorot=MODIFIED.glorot
    )
    with execution.begin() as (session, engine):
        dataset = datasets.load_for(recipe, execution.data_dir)
        parts = datasets.partition(dataset, recipe)
        began = time.perf_counter()
        train, monitored, model = open_training(
            modified, dataset, parts, session=session, engine=engine
        )
        built_s = time.perf_counter() - began
        step_s = _seconds(lambda: model.train_on_batch(*train[0]))
        batch_s = _seconds(lambda: model.predict_on_batch(monitored[0][0]))
    return trials * (
        built_s + (steps + STATISTICS_BATCHES) * step_s + len(monitored) * batch_s
    )


def _seconds(step: Callable[[], object]) -> float:
    for _ in range(_WARM_UP):
        step()
    began = time.perf_counter()
    for _ in range(_TIMED):
        step()
    return (time.perf_counter() - began) / _TIMED
