"""All random changes of a recipe, drawn for one batch."""

from dataclasses import dataclass, fields
from itertools import chain

import numpy as np

from kerasnets.datasets.pipeline.augment import Changes, draw
from kerasnets.datasets.pipeline.erasing import draw_cutout, draw_erasing
from kerasnets.datasets.pipeline.mixing import draw_mix
from kerasnets.datasets.pipeline.operations import Operation
from kerasnets.datasets.pipeline.policies import (
    draw_color_jitter,
    draw_randaugment,
    draw_trivialaugment,
)
from kerasnets.recipe import Recipe

# Second entry of the seed sequence, one per kind of change: a new option does not alter
# the draws of the others. `kerasnets.networks.initial_weights` uses another one.
_PLACES, _POLICIES, _JITTER, _ERASING, _CUTOUT, _MIXING = 2, 4, 5, 6, 7, 8


@dataclass(frozen=True)
class Augmentation:
    """The recipe's fields of the same names; by default, nothing is changed.

    Attributes:
        classes: number of classes, needed for mixing.
    """

    augment: str = "none"
    crop_from: str = "square"
    randaugment: int = 0
    trivialaugment: bool = False
    color_jitter: float = 0.0
    random_erasing: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    classes: int = 0

    @classmethod
    def of(cls, recipe: Recipe, classes: int) -> "Augmentation":
        names = [field.name for field in fields(cls) if field.name != "classes"]
        return cls(**{name: getattr(recipe, name) for name in names}, classes=classes)

    @property
    def needs_host(self) -> bool:
        """Whether some of the changes need Pillow."""
        policies = self.randaugment or self.trivialaugment or self.color_jitter
        return self.augment == "resized-crop" or bool(policies)

    def draw(
        self, count: int, height: int, width: int, seed: int, epoch: int, index: int
    ) -> Changes:
        """Draw the changes to the `count` images of batch `index` of an epoch; they
        depend on nothing but the arguments."""

        def rng(kind: int) -> np.random.Generator:
            return np.random.default_rng([seed, kind, epoch, index])

        size = height, width
        from_files = self.crop_from == "file"
        changes = draw(self.augment, count, rng(_PLACES), size, from_files=from_files)
        operations: list[list[list[Operation]]] = []
        if self.randaugment:
            operations.append(
                draw_randaugment(count, *size, self.randaugment, rng(_POLICIES))
            )
        if self.trivialaugment:
            operations.append(draw_trivialaugment(count, rng(_POLICIES)))
        if self.color_jitter:
            operations.append(draw_color_jitter(count, self.color_jitter, rng(_JITTER)))
        erased = []
        if self.random_erasing:
            erased.append(
                draw_erasing(count, *size, self.random_erasing, rng(_ERASING))
            )
        if self.cutout:
            erased.append(draw_cutout(count, *size, self.cutout, rng(_CUTOUT)))
        mix = None
        if self.mixup or self.cutmix:
            mix = draw_mix(*size, self.mixup, self.cutmix, self.classes, rng(_MIXING))
        return Changes(
            changes.offsets,
            changes.flipped,
            crops=changes.crops,
            boxes=changes.boxes,
            operations=[list(chain(*each)) for each in zip(*operations, strict=True)],
            erased=tuple(erased),
            mix=mix,
        )
