"""What a resumed run takes from its folder, and what may differ."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from kerasnets.catalog.places import is_place, located
from kerasnets.compute import runtime, threads
from kerasnets.compute.execution import Execution
from kerasnets.compute.native_precision import automatic
from kerasnets.compute.threads import allowed_cores
from kerasnets.errors import RunError, option
from kerasnets.recipe import Recipe
from kerasnets.recipe.fields import L2, REDUCED
from kerasnets.recipe.weights import FOLLOWING, IMAGENET
from kerasnets.runs import Run
from kerasnets.runs.records import begun_environment
from kerasnets.training.checkpoint import Checkpoint


def continued(
    begun: Run, recipe: Recipe, execution: Execution
) -> tuple[Recipe, Execution]:
    """`recipe` and `execution`, adapted to resume the run `begun`.

    Raises:
        RunError: `recipe` is not the run's.
    """
    recipe = _begun_as(begun.recipe, recipe)
    moved = _moved_images(begun.recipe, recipe, execution.data_dir)
    if moved:
        recipe = recipe.replace(dataset=begun.recipe.dataset)
        execution = dataclasses.replace(execution, data_dir=moved)
    _check_same(begun, recipe)
    return recipe, with_threads_of(begun, execution)


def with_precision(
    recipe: Recipe, begun: Run | None, execution: Execution
) -> tuple[Recipe, str | None]:
    """`recipe` with precision "auto" resolved for the device, and a line that says why;
    the run `begun`, if it is resumed, keeps its own precision."""
    if begun:
        return recipe.replace(precision=begun.recipe.precision), None
    precision, why = automatic(execution.device)
    return recipe.replace(precision=precision), f"precision {precision}: {why}"


def with_threads_of(begun: Run, execution: Execution) -> Execution:
    """`execution` with the run's number of threads, which affects the last bits, unless
    another number is given or this process may not use as many cores."""
    named = execution.threads or os.environ.get("OMP_NUM_THREADS")
    environment = begun_environment(begun) or {}
    number = environment.get("threads")
    if (
        (named and named != threads.AUTO)
        or not number
        or number > allowed_cores()
        or {environment.get("backend"), runtime.backend()} != {"torch"}
    ):
        return execution
    return dataclasses.replace(execution, threads=number)


def has_objective(run: Run) -> bool:
    """Whether history.csv has the column "objective". Runs with label smoothing that
    began before this column existed record the objective as "loss" to the end."""
    begun = begun_environment(run) if run.recipe.label_smoothing else None
    return begun is None or "objective" in begun.get("history_columns", ())


def check_possible(run: Run, found: Checkpoint | None, *, steps: int) -> None:
    """Check that a run can be resumed without losing its model.

    Args:
        found: its newest checkpoint.
        steps: optimizer steps per epoch.

    Raises:
        RunError: it cannot.
    """
    if found is None:
        if run.model_file.exists():
            raise RunError(
                f"{run.path} has a model but no checkpoint to resume from; "
                f"{option('overwrite', True)} starts over."
            )
    elif found.batch >= steps or (found.epoch, found.batch) > (run.recipe.epochs, 0):
        raise RunError(
            f"the checkpoint of {run.path} is after {found.position}, which its recipe "
            "does not have."
        )


def raised_epochs(before: Recipe, now: Recipe) -> str | None:
    """A line on how additional epochs change the learning rate; None if they do not."""
    if now.epochs == before.epochs or now.schedule == "constant":
        return None
    return (
        f"epochs raised from {before.epochs} to {now.epochs}: the {now.schedule} "
        f"schedule now ends with epoch {now.epochs}, so from here on the learning rate "
        f"is that of a run of {now.epochs} epochs, but the epochs before had that of "
        f"{before.epochs}; the result differs from a run begun with {now.epochs}."
    )


def _begun_as(begun: Recipe, recipe: Recipe) -> Recipe:
    """`recipe` with the run's initialization, rule of weight decay, decoding and weight
    source, unless it sets them to something other than the default."""
    own: dict[str, Any] = _weights_as_begun(begun, recipe)
    if recipe.initial_weights == "numpy":
        own["initial_weights"] = begun.initial_weights
    if recipe.decay == L2:
        own["decay"] = begun.decay
    if recipe.decode == REDUCED:
        own["decode"] = begun.decode
    return dataclasses.replace(recipe, **own)


def _weights_as_begun(begun: Recipe, recipe: Recipe) -> dict[str, Any]:
    """The run's fields about pretrained weights: the digest need not be given again,
    and the file need not exist any more."""
    if begun.weights is None or recipe.weights is None:
        return {}
    asked, source = recipe.weights_sha256, begun.weights_sha256 or ""
    own: dict[str, Any] = {}
    if asked is None or source.startswith(asked):
        own["weights_sha256"] = begun.weights_sha256
    if recipe.weights != IMAGENET and not Path(recipe.weights).exists():
        if Path(recipe.weights).name == Path(begun.weights).name:
            own["weights"] = begun.weights
        # Their defaults could not be read from the missing file.
        usual = recipe.departures()
        own |= {name: getattr(begun, name) for name in FOLLOWING if name not in usual}
    return own


def _moved_images(
    begun: Recipe, recipe: Recipe, data_dir: Path | str | None
) -> Path | None:
    """The new location of a run's images if `recipe` names them by another path."""
    if begun.dataset == recipe.dataset:
        return None
    if not (is_place(begun.dataset) and is_place(recipe.dataset)):
        return None
    return located(recipe.dataset, data_dir)


def _check_same(run: Run, recipe: Recipe) -> None:
    for field in dataclasses.fields(Recipe):
        old, new = getattr(run.recipe, field.name), getattr(recipe, field.name)
        if field.name == "epochs" and new >= old:
            continue
        if field.name in ("protocol", *recipe.without_effect):
            continue
        if old != new:
            raise RunError(
                f"{run.path} was made with {field.name} {old!r}, not {new!r}; "
                f"{option('resume', True)} needs the same recipe; only "
                "epochs may be raised."
            )
