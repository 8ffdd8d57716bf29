"""Find why a network fails: measure its variants layer by layer, and train each for a
few steps with one switch changed at a time."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from kerasnets import datasets, runs
from kerasnets.catalog.networks import check_size
from kerasnets.compute.execution import DEFAULT, Execution
from kerasnets.compute.memory.freed_models import frees_models
from kerasnets.compute.step_time import step_seconds
from kerasnets.datasets.pipeline.batches import training_batches
from kerasnets.diagnosis.record import Diagnosis, check_free, clear, write_tables
from kerasnets.diagnosis.summary import page, verdict
from kerasnets.diagnosis.trial import STATISTICS_BATCHES, run_trial
from kerasnets.diagnosis.variants import Variant, named_variants, settings, to_try
from kerasnets.errors import RecipeError
from kerasnets.figures import draw_diagnosis
from kerasnets.recipe import Recipe
from kerasnets.training.compile import open_training
from kerasnets.training.effects import check_schedule

DEFAULT_ROOT = Path("artifacts/diagnoses")
STEPS = 100  # default of each trial


def diagnose(
    recipe: Recipe,
    folder: Path | str | None = None,
    *,
    steps: int = STEPS,
    ablate: bool = False,
    learning_rates: Iterable[float] = (),
    overwrite: bool = False,
    execution: Execution = DEFAULT,
    say: Callable[[str], None] = print,
) -> Diagnosis:
    """Measure signals and gradients of a network's variants, and train each briefly.

    The variants are the original, the modified (batch norm and Glorot) and the recipe's
    own; all have the recipe's seed, and so the same batches. `folder` is updated after
    every trial: layers.csv and ablation.csv from the first trial on, the verdict and
    the figures once these variants have finished.

    Args:
        recipe: the recipe to diagnose; its epochs affect only the schedule.
        folder: output folder; artifacts/diagnoses/<recipe.name> unless given.
        steps: optimizer steps of every trial, at least 1.
        ablate: switch batch norm, Glorot and momentum one at a time.
        learning_rates: additional rates to try with `ablate`.
        overwrite: replace the diagnosis in `folder`.
        execution: see `kerasnets.training.fit.fit`.
        say: receives lines of progress.

    Raises:
        KerasnetsError: see the subclasses in kerasnets.errors.
    """
    _check(recipe, steps)
    plan = to_try(recipe, ablate=ablate, learning_rates=learning_rates)
    folder = Path(folder or DEFAULT_ROOT / recipe.name)
    check_free(folder, overwrite=overwrite)
    with execution.begin() as (session, engine):
        dataset = datasets.load_for(recipe, execution.data_dir)
        parts = datasets.partition(dataset, recipe)
        epoch = len(training_batches(recipe, dataset, parts.train))
        check_schedule(recipe, epoch, trained=steps)
        _, counts = np.unique(parts.validation.labels, return_counts=True)
        shares = counts / len(parts.validation)
        diagnosis = Diagnosis(
            recipe=recipe,
            steps=steps,
            monitored=recipe.monitored_split,
            images=len(parts.validation),
            guess_loss=float(-(shares * np.log(shares)).sum()),
            guess_accuracy=float(shares.max()),
            planned=len(plan),
            layers=(),
            ablation=(),
            environment={**session.environment(), "engine": engine},
        )
        for number, tried in enumerate(plan, start=1):
            name = f"{number} of {len(plan)}, {_name(tried)}"
            trial, layers = run_trial(
                tried,
                dataset,
                parts,
                steps=steps,
                session=session,
                engine=engine,
                measured=settings(tried) == settings(recipe),
                say=lambda line, name=name: say(f"{name}: {line}"),  # type: ignore[misc]
            )
            if number == 1:
                clear(folder)
            diagnosis = dataclasses.replace(
                diagnosis,
                layers=(*diagnosis.layers, *layers),
                ablation=(*diagnosis.ablation, trial),
            )
            write_tables(folder, diagnosis)
            if diagnosis.own.keys() >= named_variants(recipe).keys():
                diagnosis = dataclasses.replace(diagnosis, verdict=verdict(diagnosis))
                _conclude(folder, diagnosis)
    return diagnosis


def _conclude(folder: Path, diagnosis: Diagnosis) -> None:
    """Write the outputs that need both the original and the modified network."""
    recipe, steps = diagnosis.recipe, diagnosis.steps
    layers = {
        name: (diagnosis.signals(variant, 0), diagnosis.signals(variant, steps))
        for variant, name in named_variants(recipe).items()
    }
    for file in ("signal.png", "signal.svg"):
        draw_diagnosis(recipe, steps, layers, folder / file)
    runs.write_text(folder / "diagnosis.md", page(diagnosis).markdown())
    runs.write_json(folder / "diagnosis.json", diagnosis.to_json())


def _check(recipe: Recipe, steps: int) -> None:
    check_size(recipe.network, recipe.stem, recipe.image_size, recipe.image_size)
    if recipe.precision != "float32":
        raise RecipeError(
            f"diagnose measures in precision 'float32', not in {recipe.precision!r}."
        )
    if recipe.weights is not None:
        raise RecipeError(
            "diagnose compares random initializations, not pretrained weights."
        )
    if recipe.batch_size < 2:
        raise RecipeError(
            "diagnose compares the images of a batch: batch_size must be at least 2, "
            f"not {recipe.batch_size}."
        )
    if steps < 1:
        raise RecipeError(f"steps must be at least 1, not {steps}.")


def _name(recipe: Recipe) -> str:
    name = f"{Variant.of(recipe).label}, learning rate {recipe.learning_rate:g}"
    if "momentum" in recipe.without_effect:
        return name
    return f"{name}, momentum {recipe.momentum:g}"


@frees_models
def expected_s(recipe: Recipe, execution: Execution = DEFAULT) -> float:
    """Estimate the seconds of `diagnose` with `ablate`, assuming that every variant is
    as slow as the one with batch norm; excludes drawing and measuring layers.

    Raises:
        KerasnetsError: the device, the engine or the data is not available.
    """
    plan = to_try(recipe, ablate=True)
    _, modified, *_ = plan
    with execution.begin() as (session, engine):
        dataset = datasets.load_for(recipe, execution.data_dir)
        parts = datasets.partition(dataset, recipe)
        began = time.perf_counter()
        train, monitored, model = open_training(
            modified, dataset, parts, session=session, engine=engine
        )
        built_s = time.perf_counter() - began
        step_s = step_seconds(lambda: model.train_on_batch(*train[0]), session.device)
        batch_s = step_seconds(
            lambda: model.predict_on_batch(monitored[0][0]), session.device
        )
    return len(plan) * (
        built_s + (STEPS + STATISTICS_BATCHES) * step_s + len(monitored) * batch_s
    )
