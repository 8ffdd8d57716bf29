"""The learning rate as a function of the optimizer step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasnets")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from zero, then constant, cosine or step.

    Args:
        peak: highest learning rate, > 0.
        schedule: "constant"; "cosine", towards zero, which the step after the last one
            would have; "step", a tenth from 1/2 of the steps on and a hundredth from
            3/4 on (as He et al. 2016, section 4.2, do on CIFAR-10).
        steps: optimizer steps of the whole run.
        warmup_steps: of these, how many the linear increase takes.
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
        progress = ops.clip(
            (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps),
            0.0,
            1.0,
        )
        if self.schedule == "cosine":
            factor = 0.5 * (1.0 + ops.cos(3.141592653589793 * progress))
        elif self.schedule == "step":
            factor = ops.where(
                progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01)
            )
        else:
            factor = ops.ones_like(progress)
        if self.warmup_steps:
            # The first step already moves: rates are peak/n, 2 peak/n, ..., peak.
            factor = factor * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return self.peak * factor

    def get_config(self) -> dict[str, float | str]:
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }
