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
from kerasnets.catalog.image_headers import SIZE, image_size
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
from kerasnets.recipe import presets
from kerasnets.recipe.setting import (
    DATA,
    FRACTION,
    NETWORK,
    POSITIVE,
    PROBABILITY,
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

AUGMENTATIONS = ("none", "flip", "crop-flip", "resized-crop")
NORMALIZATIONS = ("unit", "standardize")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "cosine", "step", "one-cycle")
RESIZES = ("squash", "crop", "pad")
BACKGROUNDS = {"white": 255, "black": 0, "grey": 128}  # of 255
ON_CORRUPT = ("stop", "skip")
DECODES = FULL, REDUCED = ("full", "reduced")
CROPPED_FROM = SQUARE, FILE = ("square", "file")
OWN_AUGMENTATION = "resized-crop"  # of a user's own images
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
AUTO = "auto"
DECAYS = L2, DECOUPLED = ("l2", "decoupled")
KEPT_WEIGHTS = LAST, BEST = ("last", "best")
CLASS_WEIGHTS = ("none", "balanced")
WITH_MOMENTUM = ("sgd", "rmsprop")
OF_EPOCHS = ("ema", "early_stopping", "keep")  # decide nothing within a step


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
    decode: str = setting(
        "How JPEG files of own images are decoded: in full, or to a half, quarter or "
        "eighth of their width where that is whole and twice as large as needed",
        details="A run that is resumed keeps its own.",
        group=DATA,
        paper=of_own(REDUCED, FULL),
        choices=DECODES,
        title="JPEG decoding",
        tag="decode-",
        default=FULL,
        off=FULL,
    )
    channels: int | None = setting(
        "Channels of the images",
        group=DATA,
        details="Own images have 3, or 1 if every file is grey.",
        paper=lambda case: case.dataset and case.dataset.channels,
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
    nesterov: bool = setting(
        "Nesterov momentum",
        details="For sgd.",
        paper=False,
        title="Nesterov",
        default=False,
        off=False,
    )
    weight_decay: float = setting(
        "Weight decay",
        details="Its rule is --decay.",
        paper=0.0,
        within=at_least(0),
        tag="wd",
    )
    decay: str = setting(
        "Rule of weight decay: part of the gradient, as in torch.optim.SGD, or apart "
        "from it, as in AdamW",
        details="adamw is decoupled in any case. A run that is resumed keeps its own.",
        paper=L2,
        choices=DECAYS,
        title="decay",
        tag="",
        default=L2,
        absent=DECOUPLED,
    )
    decay_norms: bool = setting(
        "Weight decay of biases and normalization layers too",
        paper=True,
        title="decay of biases and norms",
        tag="decay-norms",
        default=True,
        off=True,
    )
    optimizer: str = setting("Optimizer", paper="sgd", choices=OPTIMIZERS, tag="")
    schedule: str = setting(
        "Schedule of the learning rate",
        details="cosine goes towards zero; step to a tenth after 1/2 and again after "
        "3/4 of the steps; one-cycle rises from 1/25 for 30 % of the steps, then falls "
        "to almost zero, as PyTorch's OneCycleLR with constant momentum.",
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
    class_weights: str = setting(
        "Weights of the classes in the loss",
        details="balanced weighs each by the inverse of its share of the training "
        "images.",
        paper="none",
        choices=CLASS_WEIGHTS,
        tag="weights-",
        default="none",
        off="none",
    )
    clip_norm: float = setting(
        "Largest norm of the whole gradient, which is scaled down to it; 0 for any",
        paper=0.0,
        within=at_least(0),
        tag="clip",
        default=0.0,
        off=0,
    )
    accumulate: int = setting(
        "Batches whose mean gradient makes one update",
        paper=1,
        within=at_least(1),
        unit="batches",
        title="accumulation",
        default=1,
        off=1,
    )
    ema: float = setting(
        "Decay of an exponential moving average of the weights, which is validated and "
        "saved in their place; 0 for none",
        details="At most (1 + n) / (10 + n) after n updates.",
        paper=0.0,
        within=SHARE,
        title="EMA",
        default=0.0,
        off=0,
    )
    early_stopping: int = setting(
        "Epochs without a higher validation accuracy after which training ends; 0 for "
        "never",
        paper=0,
        within=at_least(0),
        unit="epochs",
        tag="patience",
        default=0,
        off=0,
    )
    keep: str = setting(
        "Weights that are saved: the last epoch's, or those of the epoch with the "
        "highest validation accuracy",
        paper=LAST,
        choices=KEPT_WEIGHTS,
        title="weights kept",
        tag="keep-",
        default=LAST,
        off=LAST,
    )
    augment: str = setting(
        "Random changes of training images",
        details="flip is horizontal; crop-flip pads by 4 and crops before; "
        "resized-crop crops to 8 to 100 % of the area, at a ratio of 3:4 to 4:3, "
        "resizes and flips, as torchvision's RandomResizedCrop does.",
        group=DATA,
        paper=by_protocol(mnist="flip", cifar10="crop-flip", own=OWN_AUGMENTATION),
        choices=AUGMENTATIONS,
        title="augmentation",
        shortcuts=(Shortcut("no_augment", "none", "Short for --augment none."),),
        tag="augment-",
    )
    crop_from: str = setting(
        "What resized crops are cut from: the image as --resize makes it a square, or "
        "its whole file, as torchvision does",
        details="file is for own images, which are then decoded whenever they are "
        "needed.",
        group=DATA,
        paper=SQUARE,
        choices=CROPPED_FROM,
        title="crops from",
        tag="crop-from-",
        default=SQUARE,
        off=SQUARE,
    )
    randaugment: int = setting(
        "Magnitude of RandAugment, two of torchvision's 14 operations an image",
        group=DATA,
        paper=0,
        within=Range(
            "a whole number from 0, which is none, to 30",
            lambda value: 0 <= value <= 30,
        ),
        title="RandAugment",
        default=0,
        off=0,
    )
    trivialaugment: bool = setting(
        "TrivialAugment, one of torchvision's 14 operations an image, of any strength",
        group=DATA,
        paper=False,
        title="TrivialAugment",
        default=False,
        off=False,
    )
    color_jitter: float = setting(
        "Change of brightness, contrast and saturation",
        details="Factors are uniform from 1 - this to 1 + this.",
        group=DATA,
        paper=0.0,
        within=at_least(0),
        tag="jitter",
        default=0.0,
        off=0,
    )
    random_erasing: float = setting(
        "Probability that a box of 2 to 33 % of a training image is erased",
        group=DATA,
        paper=0.0,
        within=PROBABILITY,
        tag="erasing",
        default=0.0,
        off=0,
    )
    cutout: int = setting(
        "Side of a square that is erased at random in every training image",
        group=DATA,
        paper=0,
        within=at_least(0),
        unit="pixels",
        default=0,
        off=0,
    )
    mixup: float = setting(
        "Alpha of MixUp",
        details="Images and labels are mixed with another of the batch, by shares "
        "drawn from Beta(alpha, alpha).",
        group=DATA,
        paper=0.0,
        within=at_least(0),
        title="MixUp",
        default=0.0,
        off=0,
    )
    cutmix: float = setting(
        "Alpha of CutMix",
        details="A box comes from another image of the batch, and that share of the "
        "label. With --mixup, each batch undergoes one of them.",
        group=DATA,
        paper=0.0,
        within=at_least(0),
        title="CutMix",
        default=0.0,
        off=0,
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
        "Keras's dtype policy; auto is mixed_bfloat16 where the device computes it "
        "natively, else float32",
        details="A run records what auto was.",
        paper="float32",
        choices=(*PRECISIONS, AUTO),
        tag="",
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
    preset: str = setting(
        "What unnamed fields are: the paper's recipe, or a modern one",
        details=f"modern is {presets.SUMMARY} See docs/training.md for its sources.",
        paper=presets.PAPER,
        choices=presets.PRESETS,
        tag="",
        default=presets.PAPER,
        off=presets.PAPER,
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
        self._check_training()
        if self.warmup >= self.epochs:
            raise RecipeError(
                f"warmup must be shorter than the run's {self.epochs} epochs, "
                f"not {self.warmup}."
            )
        if self.crop_from == FILE and self.augment != "resized-crop":
            raise RecipeError(
                f"crop_from {FILE!r} is for augment 'resized-crop', not "
                f"{self.augment!r}."
            )
        if self.randaugment and self.trivialaugment:
            raise RecipeError("randaugment contradicts trivialaugment: choose one.")
        if self.cutout >= self.image_size:
            raise RecipeError(
                f"cutout must be smaller than the image's {self.image_size} pixels, "
                f"not {self.cutout}."
            )
        if self.batch_size == 1 and self.mixes:
            raise RecipeError("mixup and cutmix need a batch_size of at least 2.")
        if self.test_fraction is not None and self.dataset in DATASETS:
            raise RecipeError(
                f"{self.dataset} has a test split of its own; test_fraction is for "
                "datasets without."
            )
        if not is_place(self.dataset):
            for name, value in (
                ("validation", "split"),
                ("on_corrupt", "skip"),
                ("decode", REDUCED),
                ("crop_from", FILE),
            ):
                if getattr(self, name) == value:
                    raise RecipeError(f"{name} {value!r} is for own images alone.")

    def _check_training(self) -> None:
        """Raise RecipeError where a field is set that another leaves without effect."""
        if self.nesterov and self.optimizer != "sgd":
            raise RecipeError(f"nesterov is for sgd, not {self.optimizer}.")
        if self.nesterov and not self.momentum:
            raise RecipeError("nesterov needs a momentum > 0.")
        if self.weight_decay and self.optimizer == "adamw" and self.decay != DECOUPLED:
            raise RecipeError(
                f"decay {self.decay!r} is not adamw's, which is {DECOUPLED!r}; adam "
                "has both."
            )
        if not self.decay_norms and not self.weight_decay:
            raise RecipeError("no decay_norms needs a weight_decay > 0.")
        if self.schedule == "one-cycle" and self.warmup:
            raise RecipeError("one-cycle has a warm-up of its own; warmup must be 0.")
        for name in ("early_stopping", "keep"):
            asked = getattr(self, name) not in (0, LAST)
            if asked and self.validation == "test":
                raise RecipeError(
                    f"{name} {getattr(self, name)} needs validation images of its own: "
                    "with validation 'test' it would choose by the test split."
                )

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
        defaults: dict[str, Any] = {}
        if protocol != _protocol_by_name(dataset):
            defaults["protocol"] = protocol
        if is_place(dataset):
            defaults |= _of_own_images(dataset, data_dir, protocol, named)
        defaults = _usual(network, dataset, protocol, {**defaults, **named}) | defaults
        recipe = cls(network=network, dataset=dataset, **{**defaults, **named})
        recipe._check_effects(named)
        return recipe

    def _check_effects(self, named: Iterable[str]) -> None:
        """Raise RecipeError where a field was named that has no effect."""
        if "momentum" in named and "momentum" in self.without_effect:
            raise RecipeError(
                f"momentum is for {' and '.join(WITH_MOMENTUM)}; {self.optimizer} "
                "has none to set."
            )
        if "decay" in named and not self.weight_decay:
            raise RecipeError("decay needs a weight_decay > 0.")

    def replace(self, **named: Any) -> "Recipe":
        """The same recipe, but for what is named.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range.
        """
        self._check_names(named)
        to_adamw = named.get("optimizer", self.optimizer) == "adamw"
        if to_adamw != (self.optimizer == "adamw"):
            named = {"decay": DECOUPLED if to_adamw else L2, **named}
        return dataclasses.replace(self, **named)

    def with_named(self, **named: Any) -> "Recipe":
        """The same as `replace`, for a person: what has no effect is refused.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range or has no
                effect.
        """
        recipe = self.replace(**named)
        recipe._check_effects(named)
        return recipe

    @classmethod
    def _check_names(cls, named: Iterable[str]) -> None:
        for name in named:
            if name not in SETTINGS:
                raise RecipeError(unknown("recipe field", name, sorted(SETTINGS)))

    def departures(self) -> dict[str, Any]:
        """The preset, if it is not the paper's, and the fields that differ from its
        recipe, with their values."""
        by_name = _protocol_by_name(self.dataset)
        protocol = self.paper_protocol
        sized = {"preset": self.preset, "image_size": self.image_size}
        usual = _usual(self.network, self.dataset, protocol, sized)
        size = _usual(self.network, self.dataset, protocol, {})["image_size"]
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
        """Whose values the fields have that nobody named, one of `PROTOCOLS`."""
        return self.protocol or _protocol_by_name(self.dataset) or "cifar10"

    @property
    def mixes(self) -> bool:
        """Whether training images and their labels are mixed with others."""
        return bool(self.mixup or self.cutmix)

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The fields that decide nothing, as another field has the value it has."""
        found = () if self.optimizer in WITH_MOMENTUM else ("momentum",)
        if not is_place(self.dataset):
            found = (*found, "on_corrupt")
        # Of adamw there is one rule.
        ruled = self.weight_decay and self.optimizer != "adamw"
        return found if ruled else (*found, "decay")

    @property
    def has_objective(self) -> bool:
        """Whether training minimizes something else than the cross-entropy."""
        return bool(self.label_smoothing) or self.class_weights != "none"

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
            if one.off is None or value != one.off
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


def _usual(
    network: str, dataset: str, protocol: str | None, named: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of fields that nobody names, none of which needs the files.

    Args:
        named: those that others depend on.
    """
    spec = NETWORKS[network]
    case = Case(spec, protocol or "cifar10", DATASETS.get(dataset))
    found = {name: one.paper(case) for name, one in SETTINGS.items() if one.paper}
    preset = named.get("preset", presets.PAPER)
    SETTINGS["preset"].check(preset)
    size = named.get("image_size", found["image_size"])
    SETTINGS["image_size"].check(size)
    found |= presets.changes(preset, spec.family, size)
    found["preset"] = preset
    if named.get("optimizer") == "adamw":
        found["decay"] = DECOUPLED
    return found


def _of_own_images(
    dataset: str, data_dir: Path | str | None, protocol: str | None, named: Mapping
) -> dict[str, Any]:
    """The defaults that own images decide."""
    files = list_images(located(dataset, data_dir))
    found: dict[str, Any] = {}
    if files.has("validation"):
        found["validation"] = "split"
    if protocol == "own" and "image_size" not in named:
        found["image_size"] = image_size(files.paths)
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
        raise RecipeError(
            unknown("dataset", name, DATASETS) + " No folder or manifest is there."
        )
