"""What a run that is resumed takes from its folder, and what may differ."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from kerasnets import runs
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
    """`recipe` and `execution` as `begun` goes on with them.

    Raises:
        RunError: `recipe` is another one than the run's.
    """
    recipe = _begun_as(begun.recipe, recipe)
    moved = _moved_images(begun.recipe, recipe, execution.data_dir)
    if moved:
        recipe = recipe.replace(dataset=begun.recipe.dataset)
        execution = dataclasses.replace(execution, data_dir=moved)
    _check_same(begun, recipe)
    return recipe, with_threads_of(begun, execution)


def with_precision(
    recipe: Recipe, path: Path | str | None, execution: Execution, *, resume: bool
) -> tuple[Recipe, str | None]:
    """`recipe` with the precision that "auto" means on the device, and why; a run that
    is resumed keeps its own."""
    if resume and path is not None and runs.is_run(path):
        begun = runs.load(path).recipe.precision
        return recipe.replace(precision=begun), None
    precision, why = automatic(execution.device)
    return recipe.replace(precision=precision), f"precision {precision}: {why}"


def with_threads_of(begun: Run, execution: Execution) -> Execution:
    """`execution` with the run's number of threads, which decides the last bits, unless
    another is named or this process may not use as many cores."""
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
    """False for runs begun before history.csv had the objective beside the loss: with
    label smoothing, that is what their losses are to the end."""
    begun = begun_environment(run) if run.recipe.label_smoothing else None
    return begun is None or "objective" in begun.get("history_columns", ())


def check_possible(run: Run, found: Checkpoint | None, *, steps: int) -> None:
    """Check that a run can go on without losing its model.

    Args:
        found: its newest checkpoint.
        steps: optimizer steps an epoch.

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
    """What more epochs than a run was begun with mean for its learning rate."""
    if now.epochs == before.epochs or now.schedule == "constant":
        return None
    return (
        f"epochs raised from {before.epochs} to {now.epochs}: the {now.schedule} "
        f"schedule now ends with epoch {now.epochs}, so from here on the learning rate "
        f"is that of a run of {now.epochs} epochs, but the epochs before had that of "
        f"{before.epochs}; the result differs from a run begun with {now.epochs}."
    )


def _begun_as(begun: Recipe, recipe: Recipe) -> Recipe:
    """`recipe` with the run's own way of drawing weights, rule of weight decay and
    record of where its weights came from, unless it names others than the usual
    ones."""
    own: dict[str, Any] = _weights_as_begun(begun, recipe)
    if recipe.initial_weights == "numpy":
        own["initial_weights"] = begun.initial_weights
    if recipe.decay == L2:
        own["decay"] = begun.decay
    if recipe.decode == REDUCED:
        own["decode"] = begun.decode
    return dataclasses.replace(recipe, **own)


def _weights_as_begun(begun: Recipe, recipe: Recipe) -> dict[str, Any]:
    """What a recipe says of its weights that are not asked for again, nor need be there
    any more."""
    if begun.weights is None or recipe.weights is None:
        return {}
    asked, source = recipe.weights_sha256, begun.weights_sha256 or ""
    own: dict[str, Any] = {}
    if asked is None or source.startswith(asked):
        own["weights_sha256"] = begun.weights_sha256
    if recipe.weights != IMAGENET and not Path(recipe.weights).exists():
        if Path(recipe.weights).name == Path(begun.weights).name:
            own["weights"] = begun.weights
        # They could not be looked up there.
        usual = recipe.departures()
        own |= {name: getattr(begun, name) for name in FOLLOWING if name not in usual}
    return own


def _moved_images(
    begun: Recipe, recipe: Recipe, data_dir: Path | str | None
) -> Path | None:
    """Where the images of a run are now that `recipe` names by another path."""
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
