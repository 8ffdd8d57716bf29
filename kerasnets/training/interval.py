"""How often a checkpoint is made inside an epoch."""

from dataclasses import dataclass

from kerasnets.errors import RecipeError


@dataclass(frozen=True)
class Interval:
    """Every so many optimizer steps, or every so many seconds of wall time.

    Attributes:
        steps: steps between two checkpoints, >= 1; None where seconds decide.
        seconds: seconds between two checkpoints, > 0; None where steps decide.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read "200" (steps) or "90s" (seconds).

        Raises:
            RecipeError: it is neither, or not positive.
        """
        try:
            if text.endswith("s"):
                interval = cls(seconds=float(text[:-1]))
            else:
                interval = cls(steps=int(text))
        except ValueError:
            interval = cls()
        if not 0 < (interval.steps or interval.seconds or 0) < float("inf"):
            raise RecipeError(
                f"checkpoint interval {text!r} is neither a number of steps (200) nor "
                "of seconds (90s)."
            )
        return interval

    @classmethod
    def of(cls, value: "Interval | int | str") -> "Interval":
        """An interval as it may be given: itself, 200 (steps), "200" or "90s".

        Raises:
            RecipeError: it is none of these, or not positive.
        """
        return value if isinstance(value, cls) else cls.parse(str(value))

    def is_over(self, *, steps: int, seconds: float) -> bool:
        """Whether so many steps and seconds after a checkpoint the next is due."""
        if self.steps is not None:
            return steps >= self.steps
        return self.seconds is not None and seconds >= self.seconds


# What a killed process loses at most, beside the step it was in.
DEFAULT = Interval(seconds=300)
