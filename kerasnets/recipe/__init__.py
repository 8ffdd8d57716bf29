"""The recipe: everything that decides what a training run computes.

A `Recipe` is validated when it is made, frozen afterwards, and travels as JSON in
the run folder. No hyper-parameter lives anywhere else. `Recipe.for_paper` fills
every field that the user does not name with the paper's value for that network
and dataset. Its fields are declared in `kerasnets.recipe.fields`.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasnets.catalog.networks import NETWORKS
from kerasnets.catalog.places import as_place, folder_word, is_place
from kerasnets.errors import RecipeError, shown
from kerasnets.recipe import checks, presets
from kerasnets.recipe.defaults import (
    of_own_images,
    protocol_by_name,
    protocol_of,
    usual_values,
)
from kerasnets.recipe.fields import DECOUPLED, L2, OF_WEIGHTS, SETTINGS, Fields
from kerasnets.recipe.weights import as_source, of_weights
from kerasnets.storage import schema

__all__ = ["SETTINGS", "Recipe", "protocol_of"]


class Recipe(Fields):
    """What to train, on what, and how."""

    def __post_init__(self) -> None:
        checks.check(self)

    @classmethod
    def for_paper(
        cls,
        network: str,
        dataset: str,
        *,
        data_dir: Path | str | None = None,
        **named: Any,
    ) -> "Recipe":
        """The paper's recipe for a network and dataset, with the named fields replaced.

        Grey datasets follow its MNIST protocol, all others its CIFAR-10 protocol
        (sections IV.A and IV.C). docs/assumptions.md lists the choices on which the
        paper is silent. Your own images have their own defaults, which depend on the
        files' names and headers; see docs/your-images.md.

        Args:
            dataset: a name, or the path of a folder or a manifest of images.
            data_dir: folder of prepared datasets, read to find out whether a dataset
                of unknown name is grey; TFDS_DATA_DIR unless given. For your own
                images, their current location.
            named: fields by name.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range or has no
                effect.
            DatasetError: your own images are missing, or not sorted into classes.
        """
        SETTINGS["network"].check(network)
        if isinstance(dataset, str | Path):
            dataset = as_place(str(dataset), data_dir)
        checks.check_dataset_name(dataset)
        checks.check_names(named)
        protocol = named.pop("protocol", None)
        SETTINGS["protocol"].check(protocol)
        protocol = protocol or protocol_of(dataset, data_dir)
        defaults: dict[str, Any] = {}
        if protocol != protocol_by_name(dataset):
            defaults["protocol"] = protocol
        if named.get("weights") is not None:
            named["weights"] = as_source(named["weights"])
            defaults |= of_weights(named["weights"], network)
        if is_place(dataset):
            defaults |= of_own_images(dataset, data_dir, protocol, named)
        defaults = (
            usual_values(network, dataset, protocol, {**defaults, **named}) | defaults
        )
        recipe = cls(network=network, dataset=dataset, **{**defaults, **named})
        checks.check_effects(recipe, named)
        return recipe

    def replace(self, **named: Any) -> "Recipe":
        """A copy with the named fields replaced.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range.
        """
        checks.check_names(named)
        to_adamw = named.get("optimizer", self.optimizer) == "adamw"
        if named.get("weights", self.weights) != self.weights:
            named = {"weights_sha256": None, **named}
        if to_adamw != (self.optimizer == "adamw"):
            named = {"decay": DECOUPLED if to_adamw else L2, **named}
        return dataclasses.replace(self, **named)

    def with_named(self, **named: Any) -> "Recipe":
        """As `replace`, but fields without effect are refused.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range or has no
                effect.
        """
        if named.get("weights") is not None:
            named["weights"] = as_source(named["weights"])
        recipe = self.replace(**named)
        checks.check_effects(recipe, named)
        return recipe

    def departures(self) -> dict[str, Any]:
        """The preset, if it is not the paper's, and the fields whose values differ from
        the preset's."""
        by_name = protocol_by_name(self.dataset)
        protocol = self.paper_protocol
        sized = {"preset": self.preset, "image_size": self.image_size}
        usual = usual_values(self.network, self.dataset, protocol, sized)
        size = usual_values(self.network, self.dataset, protocol, {})["image_size"]
        usual["weights_sha256"] = self.weights_sha256  # follows from the weights
        if self.weights is not None:
            usual["normalize"] = OF_WEIGHTS
        found: dict[str, Any] = {}
        if self.preset != presets.PAPER:
            found["preset"] = self.preset
        for name, value in dataclasses.asdict(self).items():
            expected = size if name == "image_size" else usual.get(name, value)
            if name != "protocol" and value != expected:
                found[name] = value
        if "decay" in self.without_effect:
            found.pop("decay", None)
        if by_name and protocol != by_name:
            found["protocol"] = protocol
        return found

    @property
    def paper_protocol(self) -> str:
        """The protocol that provides the defaults, one of `PROTOCOLS`."""
        return self.protocol or protocol_by_name(self.dataset) or "cifar10"

    @property
    def monitored_split(self) -> str:
        """The split measured after each epoch: "validation" or "test"."""
        return "test" if self.validation == "test" else "validation"

    @property
    def mixes(self) -> bool:
        """Whether training uses MixUp or CutMix."""
        return bool(self.mixup or self.cutmix)

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The fields that have no effect given the values of the others."""
        return checks.without_effect(self)

    @property
    def start(self) -> str:
        """Source of the pretrained weights and what is frozen, as readable text; "" for
        random initialization."""
        if self.weights is None:
            return ""
        sha256 = f" (SHA-256 {self.weights_sha256[:8]})" if self.weights_sha256 else ""
        kept = "" if self.freeze == "none" else f", {self.freeze} frozen"
        if self.unfreeze_after:
            kept += f" for {self.unfreeze_after} epoch{'s' * (self.unfreeze_after > 1)}"
        return f"{shown(Path(self.weights).name)}{sha256}{kept}"

    @property
    def has_objective(self) -> bool:
        """Whether the loss differs from plain cross-entropy."""
        return bool(self.label_smoothing) or self.class_weights != "none"

    @property
    def name(self) -> str:
        """A folder name made of the recipe's departures from the defaults."""
        words = [folder_word(self.dataset), self.network]
        for name, value in self.departures().items():
            words.append(SETTINGS[name].folder_word(value))
        return "-".join(words)

    def described(self, group: str) -> str:
        """The fields of a group that have an effect, as readable text.

        Args:
            group: one of `kerasnets.recipe.setting.GROUPS`.
        """
        spec = NETWORKS[self.network]
        return ", ".join(
            f"{one.title} {one.words(value)} {one.unit}".rstrip()
            for name, one in SETTINGS.items()
            if one.group == group and one.paper and one.applies_to(spec)
            if (value := getattr(self, name)) is not None
            if one.off is None or value != one.off
            if name not in self.without_effect
        )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Parse a recipe written by `to_json`.

        Raises:
            RecipeError: the text is not JSON, a field is missing, unknown or of another
                type, or a value is out of its range.
        """
        try:
            values = schema.parse(text)
        except ValueError as error:
            raise RecipeError(f"the recipe is not valid JSON: {error}.") from error
        return cls.from_record(values)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Recipe":
        """A recipe from all its fields by name. Fields that older recipes lack get the
        value that was in effect then.

        Raises:
            RecipeError: a field is missing, unknown or of another type, or a value is
                out of its range.
        """
        checks.check_names(values)
        for name, one in SETTINGS.items():
            if name not in values and one.absent is dataclasses.MISSING:
                raise RecipeError(f"the recipe lacks the field {name!r}.")
        absent = {name: one.absent for name, one in SETTINGS.items()}
        return cls(**{**absent, **values})


Recipe.__doc__ = "\n".join(
    [
        f"{Recipe.__doc__}\n",
        "Attributes:",
        *(f"    {name}: {one.sentences}" for name, one in SETTINGS.items()),
    ]
)
