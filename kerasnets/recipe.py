"""The recipe: everything that decides what a training run computes.

A `Recipe` is validated when it is made, frozen afterwards, and travels as JSON in
the run folder. No hyper-parameter lives anywhere else. `Recipe.for_paper` fills
every field that the user does not name with the paper's value for that network
and dataset; `PAPER` holds the nine rows of the paper's Tables 1 and 2.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.catalog.datasets import DATASETS, GREY
from kerasnets.catalog.locations import declared_channels
from kerasnets.catalog.networks import INITIAL_WEIGHTS, NETWORKS, check_options
from kerasnets.errors import RecipeError, unknown
from kerasnets.storage import schema

AUGMENTATIONS = ("none", "flip", "crop-flip")
NORMALIZATIONS = ("unit", "standardize")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "cosine", "step")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
PROTOCOLS = ("mnist", "cifar10")
WITH_MOMENTUM = ("sgd", "rmsprop")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how.

    Attributes:
        network: a name of `kerasnets.catalog.networks.NETWORKS`.
        dataset: a name of `kerasnets.catalog.datasets.DATASETS`, or of any prepared
            TFDS image-classification dataset.
        batch_norm: whether convolutions are followed by batch normalization.
        dropout: rate in [0, 1). VGG: of its two classifier dropouts; others: of one
            dropout before the last layer.
        glorot: Glorot initialization instead of the network's own: True for uniform,
            "normal" for normal kernels.
        head: VGG only. "imagenet" (7x7 adaptive pool, the paper's 140 M
            parameters) or "compact" (global pool). Others have one head.
        stem: ResNet and DenseNet only. "imagenet" (7x7/2 convolution and max-pool)
            or "cifar" (3x3/1, no pool). VGG has one stem.
        growth_rate: DenseNet only: channels added by each layer. None elsewhere.
        image_size: height and width, in pixels, that images are resized to.
        channels: 1 or 3, or None for as many as the dataset has.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: the schedule's highest value, > 0.
        momentum: in [0, 1); used by sgd and rmsprop.
        weight_decay: >= 0, decoupled (as in AdamW) for every optimizer.
        optimizer: one of `OPTIMIZERS`.
        schedule: "constant"; "cosine" towards zero; "step": a tenth after 1/2 and
            again after 3/4 of the steps.
        warmup: epochs of linear increase of the learning rate from zero.
        label_smoothing: in [0, 1).
        augment: "none", "flip" (random horizontal) or "crop-flip" (pad by 4, random
            crop, random horizontal flip). Training images only.
        normalize: "unit" scales to [0, 1]; "standardize" also subtracts the training
            split's mean and divides by its standard deviation, per channel.
        validation: fraction in (0, 1) of the training images that is held out, or
            "test" to monitor the test split as the paper's figures do.
        limit: use this many training images (stratified), or None for all.
        seed: decides initialization, order, augmentation, dropout and splits.
        precision: a Keras dtype policy, one of `PRECISIONS`.
        initial_weights: "numpy": drawn by NumPy from the seed and each layer's name,
            the same bits under every backend; or "backend": by the backend's own
            generator, as in every recipe.json without this field.
        test_fraction: fraction in (0, 1) of the training images that are tested on,
            where the dataset has no labelled test split; None for a tenth of them.
        protocol: whose values the fields have that nobody named: the paper's for
            "mnist" or for "cifar10". None for those of the dataset by its name.
    """

    network: str
    dataset: str
    batch_norm: bool
    dropout: float
    glorot: bool | str
    head: str
    stem: str
    growth_rate: int | None
    image_size: int
    channels: int | None
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    optimizer: str
    schedule: str
    warmup: float
    label_smoothing: float
    augment: str
    normalize: str
    validation: float | str
    limit: int | None
    seed: int
    precision: str
    initial_weights: str = "numpy"
    test_fraction: float | None = None
    protocol: str | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name))
        _choice("network", self.network, NETWORKS)
        _check_dataset_name(self.dataset)
        spec = NETWORKS[self.network]
        check_options(self.network, self.head, self.stem, self.growth_rate)
        if self.growth_rate is None and spec.growth_rate is not None:
            raise RecipeError(f"{self.network} needs a growth_rate, not null.")
        if isinstance(self.glorot, str):
            _choice("glorot", self.glorot, ("normal",))
        _in_half_open("dropout", self.dropout)
        _in_half_open("momentum", self.momentum)
        _in_half_open("label_smoothing", self.label_smoothing)
        _at_least("image_size", self.image_size, 1)
        if self.channels not in (None, 1, 3):
            raise RecipeError(f"channels must be 1 or 3, not {self.channels}.")
        _at_least("epochs", self.epochs, 1)
        _at_least("batch_size", self.batch_size, 1)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise RecipeError(
                f"learning_rate must be a number > 0, not {self.learning_rate}."
            )
        _at_least("weight_decay", self.weight_decay, 0)
        _at_least("warmup", self.warmup, 0)
        if self.warmup >= self.epochs:
            raise RecipeError(
                f"warmup must be shorter than the run's {self.epochs} epochs, "
                f"not {self.warmup}."
            )
        _choice("optimizer", self.optimizer, OPTIMIZERS)
        _choice("schedule", self.schedule, SCHEDULES)
        _choice("augment", self.augment, AUGMENTATIONS)
        _choice("normalize", self.normalize, NORMALIZATIONS)
        if isinstance(self.validation, str):
            _choice("validation", self.validation, ("test",))
        elif not 0 < self.validation < 1:
            raise RecipeError(
                "validation must be a fraction between 0 and 1, or 'test', "
                f"not {self.validation}."
            )
        if self.limit is not None:
            _at_least("limit", self.limit, 1)
        if not 0 <= self.seed < 2**32:
            raise RecipeError(
                f"seed must be a whole number from 0 to 4294967295, not {self.seed}."
            )
        _choice("precision", self.precision, PRECISIONS)
        _choice("initial_weights", self.initial_weights, INITIAL_WEIGHTS)
        if self.test_fraction is not None:
            if not 0 < self.test_fraction < 1:
                raise RecipeError(
                    "test_fraction must be a fraction between 0 and 1, not "
                    f"{self.test_fraction}."
                )
            if self.dataset in DATASETS:
                raise RecipeError(
                    f"{self.dataset} has a test split of its own; test_fraction is for "
                    "datasets without."
                )
        if self.protocol is not None:
            _choice("protocol", self.protocol, PROTOCOLS)

    @classmethod
    def for_paper(
        cls,
        network: str,
        dataset: str,
        *,
        data_dir: Path | str | None = None,
        **named: Any,
    ) -> "Recipe":
        """The paper's recipe for a network and dataset, but for what is named.

        Grey datasets follow its MNIST protocol, all others its CIFAR-10 protocol
        (sections IV.A and IV.C). Where the paper is silent, docs/assumptions.md
        says what was chosen.

        Args:
            data_dir: where a dataset that is not known by its name is looked for, to
                see whether it is grey; TFDS_DATA_DIR unless given.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range or has no
                effect.
        """
        _choice("network", network, NETWORKS)
        _check_dataset_name(dataset)
        cls._check_names(named)
        spec = NETWORKS[network]
        facts = DATASETS.get(dataset)
        protocol = named.pop("protocol", None) or protocol_of(dataset, data_dir)
        mnist_like = protocol == "mnist"
        densenet = spec.family == "densenet"
        epochs = (15 if densenet else 20) if mnist_like else (40 if densenet else 50)
        defaults: dict[str, Any] = {
            "batch_norm": spec.batch_norm,
            "dropout": spec.dropout,
            "glorot": False,
            "head": "imagenet",
            "stem": "imagenet",
            "growth_rate": spec.growth_rate,
            "image_size": 32,
            "channels": facts.channels if facts else None,
            "epochs": epochs,
            "batch_size": 128 if mnist_like else 64,
            "learning_rate": 0.001,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "optimizer": "sgd",
            "schedule": "constant",
            "warmup": 0.0,
            "label_smoothing": 0.0,
            "augment": "flip" if mnist_like else "crop-flip",
            "normalize": "unit" if mnist_like else "standardize",
            "validation": 0.1,
            "limit": None,
            "seed": 0,
            "precision": "float32",
            "initial_weights": "numpy",
            "protocol": protocol if protocol != _protocol_by_name(dataset) else None,
        }
        recipe = cls(network=network, dataset=dataset, **{**defaults, **named})
        if "momentum" in named and "momentum" in recipe.without_effect:
            raise RecipeError(
                f"momentum is for {' and '.join(WITH_MOMENTUM)}; {recipe.optimizer} "
                "has none to set."
            )
        return recipe

    def replace(self, **named: Any) -> "Recipe":
        """The same recipe, but for what is named.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range.
        """
        self._check_names(named)
        return dataclasses.replace(self, **named)

    @classmethod
    def _check_names(cls, named: Iterable[str]) -> None:
        fields = sorted(field.name for field in dataclasses.fields(cls))
        for name in named:
            _choice("recipe field", name, fields)

    def departures(self) -> dict[str, Any]:
        """The fields that differ from the paper's recipe, with their values."""
        by_name = _protocol_by_name(self.dataset)
        protocol = self.paper_protocol
        paper = Recipe.for_paper(self.network, self.dataset, protocol=protocol)
        found = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name != "protocol" and value != getattr(paper, name)
        }
        if by_name and protocol != by_name:
            found["protocol"] = protocol
        return found

    @property
    def paper_protocol(self) -> str:
        """Whose values the fields have that nobody named, one of `PROTOCOLS`."""
        return self.protocol or _protocol_by_name(self.dataset) or "cifar10"

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The fields that decide nothing, as another field has the value it has."""
        has_momentum = self.optimizer in WITH_MOMENTUM
        return () if has_momentum else ("momentum",)

    @property
    def name(self) -> str:
        """A folder name that tells this recipe from its neighbours."""
        words = [self.dataset.replace("/", "-"), self.network]
        for field, value in self.departures().items():
            tag = _TAGS[field]
            if isinstance(value, bool):
                words.append(tag if value else f"no-{tag}")
            else:
                words.append(
                    f"{tag}{value:g}" if isinstance(value, float) else f"{tag}{value}"
                )
        return "-".join(words)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The recipe written by `to_json`.

        Raises:
            RecipeError: not JSON, a field is missing, unknown or of another type, or
                a value is out of its range.
        """
        try:
            values = schema.parse(text)
        except ValueError as error:
            raise RecipeError(f"the recipe is not valid JSON: {error}.") from error
        return cls.from_record(values)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe of a record's fields, all by name; those that earlier recipes did
        not record mean what was done then.

        Raises:
            RecipeError: a field is missing, unknown or of another type, or a value is
                out of its range.
        """
        cls._check_names(values)
        values = {**BEFORE_RECORDED, **values}
        for field in dataclasses.fields(cls):
            # Those with a default are younger than the oldest runs.
            if field.name not in values and field.default is dataclasses.MISSING:
                raise RecipeError(f"the recipe lacks the field {field.name!r}.")
        return cls(**values)


# What was done before recipes recorded it.
BEFORE_RECORDED = {"initial_weights": "backend"}


def protocol_of(dataset: str, data_dir: Path | str | None = None) -> str | None:
    """Which of the paper's protocols a dataset follows, one of `PROTOCOLS`: by its name
    or, where that says nothing, by its files. None where it is not on disk either.

    Args:
        data_dir: where prepared datasets are; TFDS_DATA_DIR unless given.
    """
    by_name = _protocol_by_name(dataset)
    if by_name:
        return by_name
    channels = declared_channels(dataset, data_dir)
    return None if channels is None else "mnist" if channels == 1 else "cifar10"


def _protocol_by_name(dataset: str) -> str | None:
    facts = DATASETS.get(dataset)
    if facts:
        return "mnist" if facts.channels == 1 else "cifar10"
    return "mnist" if dataset.partition("/")[0] in GREY else None


# Short forms of the fields for folder names.
_TAGS = {
    "batch_norm": "bn",
    "dropout": "dropout",
    "glorot": "glorot",
    "head": "",
    "stem": "stem-",
    "growth_rate": "k",
    "image_size": "px",
    "channels": "channels",
    "epochs": "epochs",
    "batch_size": "batch",
    "learning_rate": "lr",
    "momentum": "momentum",
    "weight_decay": "wd",
    "optimizer": "",
    "schedule": "",
    "warmup": "warmup",
    "label_smoothing": "smooth",
    "augment": "augment-",
    "normalize": "",
    "validation": "val-",
    "limit": "limit",
    "seed": "seed",
    "precision": "",
    "initial_weights": "init-",
    "test_fraction": "test",
    "protocol": "protocol-",
}

_TYPES: dict[str, tuple[type, ...]] = {
    "network": (str,),
    "dataset": (str,),
    "batch_norm": (bool,),
    "dropout": (int, float),
    "glorot": (bool, str),
    "head": (str,),
    "stem": (str,),
    "growth_rate": (int, type(None)),
    "image_size": (int,),
    "channels": (int, type(None)),
    "epochs": (int,),
    "batch_size": (int,),
    "learning_rate": (int, float),
    "momentum": (int, float),
    "weight_decay": (int, float),
    "optimizer": (str,),
    "schedule": (str,),
    "warmup": (int, float),
    "label_smoothing": (int, float),
    "augment": (str,),
    "normalize": (str,),
    "validation": (int, float, str),
    "limit": (int, type(None)),
    "seed": (int,),
    "precision": (str,),
    "initial_weights": (str,),
    "test_fraction": (int, float, type(None)),
    "protocol": (str, type(None)),
}


_LARGEST = 2**63  # beyond, a whole number is none to NumPy and the backends


def _check_type(name: str, value: object) -> None:
    types = _TYPES[name]
    # bool is an int to Python, never to a reader of a recipe.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = " or ".join(
            {
                int: "a whole number",
                float: "a number",
                str: "text",
                bool: "true or false",
            }.get(kind, "null")
            for kind in types
        )
        raise RecipeError(f"{name} must be {wanted}, not {value!r}.")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise RecipeError(f"{name} must be smaller than 2^63.")


def _choice(field: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise RecipeError(unknown(field, value, allowed))


def _check_dataset_name(name: str) -> None:
    # Prepared TFDS datasets are welcome by name, "name/config" included; whether
    # one exists is known only when it is looked for.
    parts = name.split("/") if isinstance(name, str) else []
    if not 1 <= len(parts) <= 2 or not all(
        part.replace("_", "").replace("-", "").replace(".", "").isalnum()
        and part[0] != "."
        for part in parts
    ):
        raise RecipeError(unknown("dataset", name, DATASETS))


def _at_least(field: str, value: float, minimum: float) -> None:
    if not (math.isfinite(value) and value >= minimum):
        raise RecipeError(f"{field} must be at least {minimum}, not {value}.")


def _in_half_open(field: str, value: float) -> None:
    if not 0 <= value < 1:
        raise RecipeError(f"{field} must be in [0, 1), not {value}.")


@dataclass(frozen=True)
class PaperRow:
    """One row of the paper's Table 1 (MNIST) or 2 (CIFAR-10).

    Attributes:
        label: the row's name in the paper.
        recipe: the recipe as far as the paper states it (section IV.B and IV.C).
        test_accuracy: as printed there, in percent.
        minutes: training time as the text gives it (section V), on its GPU, or None.
    """

    label: str
    recipe: Recipe
    test_accuracy: float
    minutes: float | None


_VGG_MODIFIED: dict[str, Any] = {"batch_norm": True, "glorot": True}
_RESNET_MODIFIED: dict[str, Any] = {"dropout": 0.2, "glorot": True}


def _row(
    label: str,
    network: str,
    dataset: str,
    accuracy: float,
    minutes: float | None = None,
    **named: Any,
) -> PaperRow:
    recipe = Recipe.for_paper(network, dataset, **named)
    return PaperRow(label, recipe, accuracy, minutes)


PAPER = {
    "mnist-vgg19-original": _row("Original VGG-19", "vgg19", "mnist", 11.35),
    "mnist-vgg19-modified": _row(
        "Modified VGG-19", "vgg19", "mnist", 99.05, 14, **_VGG_MODIFIED
    ),
    "mnist-resnet34-original": _row("Original ResNet-34", "resnet34", "mnist", 98.19),
    "mnist-resnet34-modified": _row(
        "Modified ResNet-34", "resnet34", "mnist", 99.06, 17, **_RESNET_MODIFIED
    ),
    "mnist-densenet121": _row("DenseNet-121", "densenet121", "mnist", 98.96, 48),
    "cifar10-vgg19-modified": _row(
        "Modified VGG-19", "vgg19", "cifar10", 87.54, 37, **_VGG_MODIFIED
    ),
    "cifar10-resnet34-original": _row(
        "Original ResNet-34", "resnet34", "cifar10", 90.01
    ),
    "cifar10-resnet34-modified": _row(
        "Modified ResNet-34", "resnet34", "cifar10", 91.18, 54, **_RESNET_MODIFIED
    ),
    "cifar10-densenet121": _row("DenseNet-121", "densenet121", "cifar10", 87.59, 90),
}
