"""Learning rate schedules."""

import keras
from keras import ops

from kerasnets.recipe import Recipe

_PI = 3.141592653589793
ONE_CYCLE_RISE = 0.3  # of the steps


@keras.saving.register_keras_serializable("kerasnets")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from zero, then constant, cosine or step; or one cycle.

    Args:
        peak: highest learning rate, > 0.
        schedule: "constant"; "cosine", which would reach zero at the step after the
            last; "step", 1/10 of the peak after half of the steps and 1/100 after 3/4
            (as He et al. 2016, section 4.2, on CIFAR-10); "one-cycle", the two cosines
            of torch.optim.lr_scheduler.OneCycleLR, from 1/25 of the peak up to it in
            the first 30 % of the steps, then down to 1/250,000.
        steps: optimizer steps of the whole run.
        warmup_steps: number of these in the linear warm-up.
    """

    def __init__(
        self, peak: float, schedule: str, steps: int, warmup_steps: int = 0
    ) -> None:
        self.peak = peak
        self.schedule = schedule
        self.steps = steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        if self.schedule == "one-cycle":
            return self.peak * self._one_cycle(step)
        progress = ops.clip(
            (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps),
            0.0,
            1.0,
        )
        if self.schedule == "cosine":
            factor = 0.5 * (1.0 + ops.cos(_PI * progress))
        elif self.schedule == "step":
            factor = ops.where(
                progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01)
            )
        else:
            factor = ops.ones_like(progress)
        if self.warmup_steps:
            # The first step's rate is not 0: rates are peak/n, 2 peak/n, ..., peak.
            factor = factor * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return self.peak * factor

    def _one_cycle(self, step):
        top = ONE_CYCLE_RISE * self.steps - 1
        rise = 0.5 - 0.5 * ops.cos(_PI * ops.minimum(1.0, step / top))
        fall = ops.clip((step - top) / (self.steps - 1 - top), 0.0, 1.0)
        fall = 0.5 + 0.5 * ops.cos(_PI * fall)
        first, last = 1 / 25, 1 / 25 / 1e4
        return ops.where(
            step <= top, first + (1 - first) * rise, last + (1 - last) * fall
        )

    def get_config(self) -> dict[str, float | str]:
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> float | LearningRate:
    """A number, which callbacks may set, if the recipe's rate is constant from the
    first step; else a schedule."""
    if recipe.schedule == "constant" and not recipe.warmup:
        return float(recipe.learning_rate)
    return LearningRate(
        peak=recipe.learning_rate,
        schedule=recipe.schedule,
        steps=recipe.epochs * steps_per_epoch,
        warmup_steps=round(recipe.warmup * steps_per_epoch),
    )
