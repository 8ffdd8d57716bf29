"""The recipe: everything that decides what a training run computes.

A `Recipe` is validated when it is made, frozen afterwards, and travels as JSON in
the run folder. No hyper-parameter lives anywhere else. `Recipe.for_paper` fills
every field that the user does not name with the paper's value for that network
and dataset. To add a field, declare it in `Recipe`; see `kerasnets.recipe.setting`.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasnets.catalog.datasets import DATASETS, GREY
from kerasnets.catalog.image_files import list_images
from kerasnets.catalog.image_headers import SIZE, size_and_channels
from kerasnets.catalog.locations import declared_channels
from kerasnets.catalog.networks import (
    HEADS,
    INITIAL_WEIGHTS,
    NETWORKS,
    STEMS,
    check_options,
)
from kerasnets.catalog.places import as_place, folder_word, is_place, located
from kerasnets.errors import OPTION_NAMES, RecipeError, unknown
from kerasnets.recipe.setting import (
    DATA,
    FRACTION,
    NETWORK,
    POSITIVE,
    PROTOCOLS,
    SHARE,
    Case,
    Range,
    Shortcut,
    at_least,
    by_protocol,
    of_own,
    setting,
    settings_of,
)
from kerasnets.storage import schema

AUGMENTATIONS = ("none", "flip", "crop-flip")
NORMALIZATIONS = ("unit", "standardize")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "cosine", "step")
RESIZES = ("squash", "crop", "pad")
BACKGROUNDS = {"white": 255, "black": 0, "grey": 128}  # of 255
ON_CORRUPT = ("stop", "skip")
OWN_AUGMENTATION = "crop-flip"  # of a user's own images
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
WITH_MOMENTUM = ("sgd", "rmsprop")


def _epochs(case: Case) -> int:
    densenet = case.network.family == "densenet"
    if case.protocol == "mnist":
        return 15 if densenet else 20
    return 40 if densenet else 50


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how."""

    network: str = setting(
        "Network",
        details="See 'kerasnets networks'.",
        group=NETWORK,
        choices=NETWORKS,
    )
    dataset: str = setting(
        "digits (needs no network), mnist, cifar10, ...: see 'kerasnets datasets'",
        details="Or another prepared TFDS dataset, as name, name/config or "
        "name:version; or a folder of images, or a manifest of them: see "
        "docs/your-images.md.",
        group=DATA,
    )
    batch_norm: bool = setting(
        "Batch normalization after every convolution",
        group=NETWORK,
        paper=lambda case: case.network.batch_norm,
        title="batch norm",
        option="bn",
        tag="bn",
    )
    dropout: float = setting(
        "Dropout rate",
        details="VGG has two, in its classifier; others one, before the last layer.",
        group=NETWORK,
        paper=lambda case: case.network.dropout,
        within=SHARE,
    )
    glorot: bool | str = setting(
        "Glorot-uniform initialization instead of the network's own",
        group=NETWORK,
        paper=False,
        choices=("normal",),
        title="Glorot",
        shortcuts=(
            Shortcut("glorot_normal", "normal", "The same with normal kernels."),
        ),
    )
    head: str = setting(
        "Classifier: after a 7x7 adaptive pool (the paper's), or a global pool",
        group=NETWORK,
        paper="imagenet",
        choices=HEADS,
        families=("vgg",),
        tag="",
    )
    stem: str = setting(
        "First layers: 7x7/2 convolution and max-pool, or 3x3/1",
        group=NETWORK,
        paper="imagenet",
        choices=STEMS,
        families=("resnet", "densenet"),
        tag="stem-",
    )
    growth_rate: int | None = setting(
        "Channels that each layer adds",
        group=NETWORK,
        paper=lambda case: case.network.growth_rate,
        within=Range("a whole number >= 1", lambda value: value >= 1),
        unit="channels",
        null="for networks without",
        families=("densenet",),
        tag="k",
    )
    image_size: int = setting(
        "Height and width that images are resized to",
        details="Own images that are all smaller: the longest side, rounded up to 32.",
        group=DATA,
        paper=of_own(SIZE, 32),
        within=at_least(1),
        unit="pixels",
        tag="px",
    )
    resize: str = setting(
        "How images become squares",
        details="crop scales the shorter side to image size / 0.875 and takes the "
        "centre, as torchvision evaluates; pad keeps all of the image.",
        group=DATA,
        paper=of_own("crop", "squash"),
        choices=RESIZES,
        tag="",
        default="squash",
    )
    background: str | None = setting(
        "What shows through transparency and around padded images",
        group=DATA,
        paper=of_own("white", None),
        choices=BACKGROUNDS,
        null="transparency left out, black around",
        tag="on-",
        default=None,
    )
    on_corrupt: str = setting(
        "What is done about own images that cannot be read",
        group=DATA,
        paper="stop",
        choices=ON_CORRUPT,
        title="unreadable images",
        tag="corrupt-",
        default="stop",
    )
    channels: int | None = setting(
        "Channels of the images",
        group=DATA,
        paper=lambda case: (
            3 if case.protocol == "own" else case.dataset and case.dataset.channels
        ),
        within=Range("1 or 3", lambda value: value in (1, 3)),
        null="the dataset's",
    )
    epochs: int = setting(
        "Passes over the training images", paper=_epochs, within=at_least(1)
    )
    batch_size: int = setting(
        "Images a step",
        paper=by_protocol(mnist=128, cifar10=64),
        within=at_least(1),
        unit="images",
        tag="batch",
    )
    learning_rate: float = setting(
        "Highest learning rate of the schedule",
        paper=0.001,
        within=POSITIVE,
        option="lr",
        tag="lr",
    )
    momentum: float = setting(
        "Momentum",
        details=f"For {' and '.join(WITH_MOMENTUM)}.",
        paper=0.9,
        within=SHARE,
    )
    weight_decay: float = setting(
        "Weight decay, decoupled for every optimizer",
        paper=0.0,
        within=at_least(0),
        tag="wd",
    )
    optimizer: str = setting("Optimizer", paper="sgd", choices=OPTIMIZERS, tag="")
    schedule: str = setting(
        "Schedule of the learning rate",
        details="cosine goes towards zero; step to a tenth after 1/2 and again after "
        "3/4 of the steps.",
        paper="constant",
        choices=SCHEDULES,
        tag="",
    )
    warmup: float = setting(
        "Linear increase of the learning rate from zero",
        details="Shorter than the run.",
        paper=0.0,
        within=at_least(0),
        unit="epochs",
        title="warm-up",
    )
    label_smoothing: float = setting(
        "Label smoothing", paper=0.0, within=SHARE, tag="smooth"
    )
    augment: str = setting(
        "Random changes of training images",
        details="flip is horizontal; crop-flip pads by 4 and crops before.",
        group=DATA,
        paper=by_protocol(mnist="flip", cifar10="crop-flip", own=OWN_AUGMENTATION),
        choices=AUGMENTATIONS,
        title="augmentation",
        shortcuts=(Shortcut("no_augment", "none", "Short for --augment none."),),
        tag="augment-",
    )
    normalize: str = setting(
        "Scaling of pixels",
        details="unit scales to [0, 1]; standardize then subtracts the training "
        "split's mean and divides by its standard deviation, per channel.",
        group=DATA,
        paper=by_protocol(mnist="unit", cifar10="standardize"),
        choices=NORMALIZATIONS,
        title="normalization",
        tag="",
    )
    validation: float | str = setting(
        "Training images held out",
        details="'test' holds out none and monitors the test split, as the paper's "
        "figures do; 'split' takes the validation images that own images come with.",
        group=DATA,
        paper=0.1,
        choices=("test", "split"),
        within=FRACTION,
        tag="val-",
    )
    limit: int | None = setting(
        "Training images used, a stratified part",
        group=DATA,
        paper=None,
        within=at_least(1),
        unit="images",
        null="all",
    )
    seed: int = setting(
        "Seed of initialization, order, augmentation, dropout and splits",
        paper=0,
        within=Range(
            "a whole number from 0 to 4294967295", lambda value: 0 <= value < 2**32
        ),
    )
    precision: str = setting(
        "Keras's dtype policy", paper="float32", choices=PRECISIONS, tag=""
    )
    initial_weights: str = setting(
        "What draws the first weights: numpy, the same under every backend, or the "
        "backend's generator",
        details="A run that is resumed keeps its own.",
        paper="numpy",
        choices=INITIAL_WEIGHTS,
        tag="init-",
        default="numpy",
        absent="backend",
    )
    test_fraction: float | None = setting(
        "Training images to test on, where the dataset has no labelled test split",
        group=DATA,
        paper=None,
        within=FRACTION,
        null="0.1, of own images 0.2",
        tag="test",
        default=None,
    )
    protocol: str | None = setting(
        "Whose values unnamed fields have: the paper's for this dataset",
        group=DATA,
        paper=None,
        choices=PROTOCOLS,
        null="grey mnist, RGB cifar10, own images own",
        tag="protocol-",
        default=None,
    )

    def __post_init__(self) -> None:
        for name, one in SETTINGS.items():
            one.check(getattr(self, name))
        _check_dataset_name(self.dataset)
        spec = NETWORKS[self.network]
        check_options(self.network, self.head, self.stem, self.growth_rate)
        if self.growth_rate is None and spec.growth_rate is not None:
            raise RecipeError(f"{self.network} needs a growth_rate, not null.")
        if self.warmup >= self.epochs:
            raise RecipeError(
                f"warmup must be shorter than the run's {self.epochs} epochs, "
                f"not {self.warmup}."
            )
        if self.test_fraction is not None and self.dataset in DATASETS:
            raise RecipeError(
                f"{self.dataset} has a test split of its own; test_fraction is for "
                "datasets without."
            )
        if not is_place(self.dataset):
            for name, value in (("validation", "split"), ("on_corrupt", "skip")):
                if getattr(self, name) == value:
                    raise RecipeError(f"{name} {value!r} is for own images alone.")

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
        says what was chosen. Own images have defaults of their own, for which their
        names and headers are read; docs/your-images.md has them.

        Args:
            dataset: a name, or the path of a folder or a manifest of images.
            data_dir: where a dataset that is not known by its name is looked for, to
                see whether it is grey; TFDS_DATA_DIR unless given. Of own images:
                where they are now.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range or has no
                effect.
            DatasetError: own images are missing, or not in classes.
        """
        SETTINGS["network"].check(network)
        if isinstance(dataset, str | Path):
            dataset = as_place(str(dataset), data_dir)
        _check_dataset_name(dataset)
        cls._check_names(named)
        protocol = named.pop("protocol", None)
        SETTINGS["protocol"].check(protocol)
        protocol = protocol or protocol_of(dataset, data_dir)
        case = Case(NETWORKS[network], protocol or "cifar10", DATASETS.get(dataset))
        defaults = {
            name: one.paper(case) for name, one in SETTINGS.items() if one.paper
        }
        if protocol != _protocol_by_name(dataset):
            defaults["protocol"] = protocol
        if is_place(dataset):
            defaults |= _of_own_images(dataset, data_dir, protocol, named)
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
        for name in named:
            if name not in SETTINGS:
                raise RecipeError(unknown("recipe field", name, sorted(SETTINGS)))

    def departures(self) -> dict[str, Any]:
        """The fields that differ from the paper's recipe, with their values."""
        by_name = _protocol_by_name(self.dataset)
        protocol = self.paper_protocol
        case = Case(NETWORKS[self.network], protocol, DATASETS.get(self.dataset))
        found = {
            name: getattr(self, name)
            for name, one in SETTINGS.items()
            if one.paper and name != "protocol"
            if getattr(self, name) != one.paper(case)
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
        without = () if self.optimizer in WITH_MOMENTUM else ("momentum",)
        return without if is_place(self.dataset) else (*without, "on_corrupt")

    @property
    def name(self) -> str:
        """A folder name that tells this recipe from its neighbours."""
        words = [folder_word(self.dataset), self.network]
        for name, value in self.departures().items():
            words.append(SETTINGS[name].folder_word(value))
        return "-".join(words)

    def described(self, group: str) -> str:
        """Its fields of a group that have an effect, for a person.

        Args:
            group: one of `kerasnets.recipe.setting.GROUPS`.
        """
        spec = NETWORKS[self.network]
        return ", ".join(
            f"{one.title} {one.words(value)} {one.unit}".rstrip()
            for name, one in SETTINGS.items()
            if one.group == group and one.paper and one.applies_to(spec)
            if (value := getattr(self, name)) is not None
            if name not in self.without_effect
        )

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
        for name, one in SETTINGS.items():
            if name not in values and one.absent is dataclasses.MISSING:
                raise RecipeError(f"the recipe lacks the field {name!r}.")
        absent = {name: one.absent for name, one in SETTINGS.items()}
        return cls(**{**absent, **values})


SETTINGS = settings_of(Recipe)
Recipe.__doc__ = "\n".join(
    [
        f"{Recipe.__doc__}\n",
        "Attributes:",
        *(f"    {name}: {one.sentences}" for name, one in SETTINGS.items()),
    ]
)
OPTION_NAMES.update({name: one.option for name, one in SETTINGS.items()})


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
    if is_place(dataset):
        return "own"
    return "mnist" if re.split("[/:]", dataset)[0] in GREY else None


def _of_own_images(
    dataset: str, data_dir: Path | str | None, protocol: str | None, named: Mapping
) -> dict[str, Any]:
    """The defaults that own images decide."""
    files = list_images(located(dataset, data_dir))
    found: dict[str, Any] = {}
    if files.has("validation"):
        found["validation"] = "split"
    if not {"image_size", "channels"} <= set(named):
        size, channels = size_and_channels(files.paths)
        found |= {"channels": channels}
        if protocol == "own":
            found |= {"image_size": size}
    return found


_VERSION = re.compile(r":\d+\.\d+\.\d+$", re.ASCII)


def _check_dataset_name(name: str) -> None:
    # Prepared TFDS datasets are welcome by name, "name/config:version" included;
    # whether one exists is known only when it is looked for.
    parts = _VERSION.sub("", name).split("/") if isinstance(name, str) else []
    if parts and is_place(name):
        return
    if not 1 <= len(parts) <= 2 or not all(
        part.replace("_", "").replace("-", "").replace(".", "").isalnum()
        and part[0] != "."
        for part in parts
    ):
        raise RecipeError(unknown("dataset", name, DATASETS))
