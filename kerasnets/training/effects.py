"""Settings without effect, detectable once the steps of an epoch are known."""

from collections.abc import Iterator

from kerasnets.errors import RecipeError, option
from kerasnets.recipe import Recipe
from kerasnets.training.checkpointing import Interval
from kerasnets.training.optimization.schedule import ONE_CYCLE_RISE


def check_schedule(recipe: Recipe, steps: int, trained: int | None = None) -> None:
    """Check that warm-up and schedule affect the learning rate of at least one step,
    and that at least one update is made.

    Args:
        steps: optimizer steps in an epoch.
        trained: number of steps that are trained; by default those of all epochs.

    Raises:
        RecipeError: warm-up takes less than two steps or all of them, the schedule
            changes no step, or too few steps are trained for an update.
    """
    total = recipe.epochs * steps
    trained = total if trained is None else trained
    warmup = round(recipe.warmup * steps)
    if recipe.warmup and warmup < 2:
        raise RecipeError(
            f"warmup {recipe.warmup:g} has no effect: an epoch has {_steps(steps)}, "
            "and a warm-up of less than 2 begins with the full learning rate."
        )
    if warmup and warmup >= trained:
        raise RecipeError(
            f"warmup {recipe.warmup:g} is {_steps(warmup)}, and leaves none of the "
            f"{_steps(trained)} that are trained."
        )
    if recipe.schedule == "one-cycle" and ONE_CYCLE_RISE * total <= 1:
        raise RecipeError(
            "schedule 'one-cycle' needs at least 4 steps to rise and fall, not "
            f"{total}."
        )
    if recipe.accumulate > trained:
        raise RecipeError(
            f"accumulate {recipe.accumulate:,} leaves no update: {_steps(trained)} are "
            "trained."
        )
    # The first step whose rate differs from a constant schedule's; see `LearningRate`.
    first = {
        "constant": 0,
        "cosine": warmup + 1,
        "one-cycle": 0,
        "step": warmup + -(-max(1, total - warmup) // 2),
    }[recipe.schedule]
    if first >= trained:
        raise RecipeError(
            f"schedule {recipe.schedule!r} has no effect: it changes the learning rate "
            f"from step {first + 1:,} on, and {_steps(trained)} are trained."
        )


def remarks(
    recipe: Recipe, steps: int, confusion_every: int, checkpoint_every: Interval
) -> Iterator[str]:
    """One line for each interval that is longer than the training.

    Args:
        steps: optimizer steps in an epoch.
    """
    epochs = recipe.epochs
    if recipe.early_stopping and recipe.early_stopping >= epochs - 1:
        yield (
            f"{option('early_stopping', recipe.early_stopping)} has no effect: "
            f"training has {epochs:,} epoch{'s' * (epochs != 1)}."
        )
    if confusion_every > epochs:
        yield (
            f"{option('confusion_every', confusion_every)}: training has "
            f"{epochs:,} epoch{'s' * (epochs != 1)}, so only the last one's validation "
            "confusion is recorded."
        )
    if (checkpoint_every.steps or 0) >= steps:
        yield (
            f"{option('checkpoint_every', checkpoint_every.steps)}: an epoch has "
            f"{_steps(steps)}, so checkpoints are only written at the ends of epochs."
        )


def _steps(count: int) -> str:
    return f"{count:,} step{'s' * (count != 1)}"
