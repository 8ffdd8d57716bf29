"""Settings of the learning rate that would change nothing, once the steps are known."""

from kerasnets.errors import RecipeError
from kerasnets.recipe import Recipe


def check_schedule(recipe: Recipe, steps: int, trained: int | None = None) -> None:
    """Check that warm-up and schedule change the learning rate of a step.

    Args:
        steps: optimizer steps in an epoch.
        trained: steps that are trained, from the first; those of all epochs unless
            given.

    Raises:
        RecipeError: warm-up has less than two steps, or leaves none after it, or the
            schedule has none to change.
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
    # The first step with another rate than a constant schedule's: `LearningRate`.
    first = {
        "constant": 0,
        "cosine": warmup + 1,
        "step": warmup + -(-max(1, total - warmup) // 2),
    }[recipe.schedule]
    if first >= trained:
        raise RecipeError(
            f"schedule {recipe.schedule!r} has no effect: it changes the learning rate "
            f"from step {first + 1:,} on, and {_steps(trained)} are trained."
        )


def _steps(count: int) -> str:
    return f"{count:,} step{'s' * (count != 1)}"
