"""Checks of a recipe's fields, alone and in combination."""

import re
from collections.abc import Iterable

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS, check_options, frozen_stages
from kerasnets.catalog.places import is_place
from kerasnets.errors import RecipeError, unknown
from kerasnets.recipe.fields import (
    DECOUPLED,
    FILE,
    LAST,
    OF_WEIGHTS,
    REDUCED,
    SETTINGS,
    WITH_MOMENTUM,
    Fields,
)

_VERSION = re.compile(r":\d+\.\d+\.\d+$", re.ASCII)


def check(recipe: Fields) -> None:
    """Check the fields, each alone and in combination.

    Raises:
        RecipeError: a value is not allowed, or contradicts another.
    """
    for name, one in SETTINGS.items():
        one.check(getattr(recipe, name))
    check_dataset_name(recipe.dataset)
    spec = NETWORKS[recipe.network]
    check_options(recipe.network, recipe.head, recipe.stem, recipe.growth_rate)
    if recipe.growth_rate is None and spec.growth_rate is not None:
        raise RecipeError(f"{recipe.network} needs a growth_rate, not null.")
    _check_training(recipe)
    if recipe.warmup >= recipe.epochs:
        raise RecipeError(
            f"warmup must be shorter than the run's {recipe.epochs} epochs, "
            f"not {recipe.warmup}."
        )
    if recipe.crop_from == FILE and recipe.augment != "resized-crop":
        raise RecipeError(
            f"crop_from {FILE!r} is for augment 'resized-crop', not {recipe.augment!r}."
        )
    if recipe.randaugment and recipe.trivialaugment:
        raise RecipeError("randaugment contradicts trivialaugment: choose one.")
    if recipe.cutout >= recipe.image_size:
        raise RecipeError(
            f"cutout must be smaller than the image's {recipe.image_size} pixels, "
            f"not {recipe.cutout}."
        )
    if recipe.batch_size == 1 and (recipe.mixup or recipe.cutmix):
        raise RecipeError("mixup and cutmix need a batch_size of at least 2.")
    if recipe.test_fraction is not None and recipe.dataset in DATASETS:
        raise RecipeError(
            f"{recipe.dataset} has a test split of its own; test_fraction is for "
            "datasets without."
        )
    _check_transfer(recipe)
    if recipe.classes is not None:
        names = class_names(recipe.classes)
        if len(names) < 2 or len(set(names)) < len(names) or "" in names:
            raise RecipeError(
                f"classes must be two or more names, each once, not {recipe.classes!r}."
            )
    if not is_place(recipe.dataset):
        for name, value in (
            ("validation", "split"),
            ("on_corrupt", "skip"),
            ("decode", REDUCED),
            ("crop_from", FILE),
        ):
            if getattr(recipe, name) == value:
                raise RecipeError(f"{name} {value!r} is only for your own images.")


def class_names(classes: str) -> list[str]:
    """The names in a recipe's `classes`."""
    return [name.strip() for name in classes.split(",")]


def check_effects(recipe: Fields, named: Iterable[str]) -> None:
    """Raise RecipeError if a named field has no effect."""
    if "momentum" in named and "momentum" in without_effect(recipe):
        raise RecipeError(
            f"momentum is for {' and '.join(WITH_MOMENTUM)}; {recipe.optimizer} "
            "has none to set."
        )
    if "decay" in named and not recipe.weight_decay:
        raise RecipeError("decay needs a weight_decay > 0.")


def check_names(named: Iterable[str]) -> None:
    """Raise RecipeError if a name is not a field's."""
    for name in named:
        if name not in SETTINGS:
            raise RecipeError(unknown("recipe field", name, sorted(SETTINGS)))


def check_dataset_name(name: str) -> None:
    """Raise RecipeError if the name can denote neither a dataset nor own images."""
    # Any prepared TFDS dataset may be named, as "name/config:version" too. Whether it
    # exists is checked when it is loaded.
    parts = _VERSION.sub("", name).split("/") if isinstance(name, str) else []
    if parts and is_place(name):
        return
    if not 1 <= len(parts) <= 2 or not all(
        part.replace("_", "").replace("-", "").replace(".", "").isalnum()
        and part[0] != "."
        for part in parts
    ):
        raise RecipeError(
            unknown("dataset", name, DATASETS) + " No folder or manifest is there."
        )


def without_effect(recipe: Fields) -> tuple[str, ...]:
    """The fields that have no effect given the values of the others."""
    found = () if recipe.optimizer in WITH_MOMENTUM else ("momentum",)
    if not is_place(recipe.dataset):
        found = (*found, "on_corrupt")
    # adamw has a single rule.
    ruled = recipe.weight_decay and recipe.optimizer != "adamw"
    return found if ruled else (*found, "decay")


def _check_training(recipe: Fields) -> None:
    """Raise RecipeError if fields of the optimizer contradict each other."""
    if recipe.nesterov and recipe.optimizer != "sgd":
        raise RecipeError(f"nesterov is for sgd, not {recipe.optimizer}.")
    if recipe.nesterov and not recipe.momentum:
        raise RecipeError("nesterov needs a momentum > 0.")
    if (
        recipe.weight_decay
        and recipe.optimizer == "adamw"
        and recipe.decay != DECOUPLED
    ):
        raise RecipeError(
            f"decay {recipe.decay!r} is not possible with adamw, whose decay is "
            f"{DECOUPLED!r}; adam supports both."
        )
    if not recipe.decay_norms and not recipe.weight_decay:
        raise RecipeError("no decay_norms needs a weight_decay > 0.")
    if recipe.schedule == "one-cycle" and recipe.warmup:
        raise RecipeError("one-cycle has a warm-up of its own; warmup must be 0.")
    for name in ("early_stopping", "keep"):
        asked = getattr(recipe, name) not in (0, LAST)
        if asked and recipe.validation == "test":
            raise RecipeError(
                f"{name} {getattr(recipe, name)} needs validation images of its own: "
                "with validation 'test' it would choose by the test split."
            )


def _check_transfer(recipe: Fields) -> None:
    """Raise RecipeError if fields about pretrained weights contradict each other."""
    last = frozen_stages(recipe.network, recipe.freeze)
    if recipe.weights is None:
        for name, value, unset in (
            ("freeze", recipe.freeze, "none"),
            ("normalize", recipe.normalize, None),
            ("weights_sha256", recipe.weights_sha256, None),
        ):
            needs = value == OF_WEIGHTS if name == "normalize" else value != unset
            if needs:
                raise RecipeError(f"{name} {value!r} needs weights.")
    if recipe.weights_sha256 is not None and not re.fullmatch(
        "[0-9a-f]{8,64}", recipe.weights_sha256
    ):
        raise RecipeError(
            "weights_sha256 must be 8 to 64 hexadecimal digits (0-9, a-f), not "
            f"{recipe.weights_sha256!r}."
        )
    if recipe.unfreeze_after:
        if last < 0:
            raise RecipeError("unfreeze_after needs frozen layers: see freeze.")
        if recipe.unfreeze_after >= recipe.epochs:
            raise RecipeError(
                f"unfreeze_after must be less than the run's {recipe.epochs} epochs, "
                f"not {recipe.unfreeze_after}."
            )
    elif recipe.layer_decay != 1 and last > NETWORKS[recipe.network].stages:
        raise RecipeError(
            f"layer_decay has no effect with freeze {recipe.freeze!r}: a single layer "
            "learns."
        )
