"""The fields of a recipe, each declared once.

To add a field, declare it in `Fields`. Checks, options, folder names, docs and the
reader of recipe.json derive from its `Setting`.
"""

from dataclasses import dataclass

from kerasnets.catalog.image_headers import SIZE
from kerasnets.catalog.networks import HEADS, INITIAL_WEIGHTS, NETWORKS, STEMS
from kerasnets.errors import OPTION_NAMES
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

AUGMENTATIONS = ("none", "flip", "crop-flip", "resized-crop")
OF_WEIGHTS = "weights"
NORMALIZATIONS = ("unit", "standardize", OF_WEIGHTS)
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
OF_EPOCHS = ("ema", "early_stopping", "keep")  # no effect on a single step
OF_TRANSFER = ("weights", "weights_sha256", "freeze", "unfreeze_after")


def _epochs(case: Case) -> int:
    densenet = case.network.family == "densenet"
    if case.protocol == "mnist":
        return 15 if densenet else 20
    return 40 if densenet else 50


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The fields of `kerasnets.Recipe`, which checks them."""

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
        details="VGG has two dropout layers, in its classifier; others have one, "
        "before the last layer.",
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
            Shortcut("glorot_normal", "normal", "Glorot-normal initialization."),
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
        details="If all own images are smaller: the longest side, rounded up to 32.",
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
        "Color behind transparent pixels and around padded images",
        group=DATA,
        paper=of_own("white", None),
        choices=BACKGROUNDS,
        null="transparency left out, black around",
        tag="on-",
        default=None,
    )
    on_corrupt: str = setting(
        "Treatment of own images that cannot be read",
        group=DATA,
        paper="stop",
        choices=ON_CORRUPT,
        title="unreadable images",
        tag="corrupt-",
        default="stop",
    )
    decode: str = setting(
        "How JPEG files of your own images are decoded: in full, or to a half, quarter "
        "or eighth of their width where that is whole and twice as large as needed",
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
        "Images per step",
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
        details="--decay sets its rule.",
        paper=0.0,
        within=at_least(0),
        tag="wd",
    )
    decay: str = setting(
        "Rule of weight decay: added to the gradient, as in torch.optim.SGD, or "
        "decoupled from it, as in AdamW",
        details="adamw is always decoupled. A resumed run keeps its rule.",
        paper=L2,
        choices=DECAYS,
        title="decay",
        tag="",
        default=L2,
        absent=DECOUPLED,
    )
    decay_norms: bool = setting(
        "Weight decay for biases and normalization layers too",
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
        "Maximum norm of the whole gradient, which is scaled down to it; 0 for none",
        paper=0.0,
        within=at_least(0),
        tag="clip",
        default=0.0,
        off=0,
    )
    accumulate: int = setting(
        "Batches per update, whose gradients are averaged",
        paper=1,
        within=at_least(1),
        unit="batches",
        title="accumulation",
        default=1,
        off=1,
    )
    ema: float = setting(
        "Decay of an exponential moving average of the weights, which replaces them "
        "for validation and saving; 0 for none",
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
        details="flip is horizontal; crop-flip first pads by 4 and crops; "
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
        "Source of resized crops: the square image that --resize makes, or the whole "
        "file, as in torchvision",
        details="file is only for your own images, which are then decoded on demand.",
        group=DATA,
        paper=SQUARE,
        choices=CROPPED_FROM,
        title="crops from",
        tag="crop-from-",
        default=SQUARE,
        off=SQUARE,
    )
    randaugment: int = setting(
        "Magnitude of RandAugment, two of torchvision's 14 operations per image",
        group=DATA,
        paper=0,
        within=Range(
            "a whole number from 0 (off) to 30",
            lambda value: 0 <= value <= 30,
        ),
        title="RandAugment",
        default=0,
        off=0,
    )
    trivialaugment: bool = setting(
        "TrivialAugment, one of torchvision's 14 operations per image, of random "
        "strength",
        group=DATA,
        paper=False,
        title="TrivialAugment",
        default=False,
        off=False,
    )
    color_jitter: float = setting(
        "Random change of brightness, contrast and saturation",
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
        details="Each image and label is mixed with another of the batch; the share is "
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
        details="A box is taken from another image of the batch, and its share of the "
        "area from that image's label. With --mixup, each batch undergoes one of them.",
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
        "split's mean and divides by its standard deviation, per channel; weights, the "
        "default with --weights, uses the mean and deviation of those weights' "
        "training instead.",
        group=DATA,
        paper=by_protocol(mnist="unit", cifar10="standardize"),
        choices=NORMALIZATIONS,
        title="normalization",
        tag="",
    )
    validation: float | str = setting(
        "Training images held out",
        details="'test' holds out none and monitors the test split, as in the paper's "
        "figures; 'split' uses the validation images of your own dataset.",
        group=DATA,
        paper=0.1,
        choices=("test", "split"),
        within=FRACTION,
        tag="val-",
    )
    limit: int | None = setting(
        "Training images to use (a stratified subset)",
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
        details="A run records what auto chose.",
        paper="float32",
        choices=(*PRECISIONS, AUTO),
        tag="",
    )
    initial_weights: str = setting(
        "Generator of the initial weights: numpy, the same under every backend, or the "
        "backend's own",
        details="A resumed run keeps its own.",
        paper="numpy",
        choices=INITIAL_WEIGHTS,
        tag="init-",
        default="numpy",
        absent="backend",
    )
    test_fraction: float | None = setting(
        "Share of the training images to test on, if there is no labelled test split",
        group=DATA,
        paper=None,
        within=FRACTION,
        null="0.1, of own images 0.2",
        tag="test",
        default=None,
    )
    preset: str = setting(
        "Defaults of the fields: the paper's, or a modern recipe's",
        details=f"modern is {presets.SUMMARY} See docs/training.md for its sources.",
        paper=presets.PAPER,
        choices=presets.PRESETS,
        tag="",
        default=presets.PAPER,
        off=presets.PAPER,
    )
    classes: str | None = setting(
        "Classes of the dataset to use, separated by commas",
        details="They are numbered in this order.",
        group=DATA,
        paper=None,
        form="NAME,NAME,...",
        null="all",
        tag="classes-",
        default=None,
    )
    weights: str | None = setting(
        "Pretrained weights: of a run; of a .pth or .safetensors file with "
        "torchvision's names; or imagenet, those that torchvision publishes",
        details="The head is new if the classes differ. Batch norm, stem, head and "
        "growth rate follow a run unless named. See docs/transfer.md.",
        paper=None,
        form="RUN|FILE|imagenet",
        null="random",
        tag="from-",
        default=None,
    )
    weights_sha256: str | None = setting(
        "SHA-256 of the file of --weights, or its beginning; for a run, of its "
        "model.keras",
        details="Other weights are refused. A run records the whole hash.",
        paper=None,
        form="HEX",
        null="any",
        title="their SHA-256",
        default=None,
    )
    freeze: str = setting(
        "Layers that are not trained: all but the last, or the stem and the first N "
        "stages",
        details="Their batch norms keep their statistics.",
        paper="none",
        form="none|all-but-head|stages:N",
        tag="freeze-",
        title="frozen",
        default="none",
        off="none",
    )
    unfreeze_after: int = setting(
        "Epochs after which frozen layers are trained too; 0 for never",
        paper=0,
        within=at_least(0),
        unit="epochs",
        tag="unfreeze",
        default=0,
        off=0,
    )
    head_lr: float = setting(
        "Factor of the last layer's learning rate",
        paper=1.0,
        within=POSITIVE,
        title="head's rate times",
        tag="head-lr",
        default=1.0,
        off=1,
    )
    layer_decay: float = setting(
        "Factor of the learning rate for each stage before the last layer",
        details="It applies once per stage, counted from the last layer; VGG's dense "
        "layers and the stem are stages too.",
        paper=1.0,
        within=Range("more than 0 and at most 1", lambda value: 0 < value <= 1),
        tag="layer-decay",
        default=1.0,
        off=1,
    )
    protocol: str | None = setting(
        "Protocol that provides the defaults",
        group=DATA,
        paper=None,
        choices=PROTOCOLS,
        null="mnist (grey), cifar10 (color), own (own images)",
        tag="protocol-",
        default=None,
    )

    def __post_init__(self) -> None:
        """Overridden by `Recipe`; the generated `__init__` calls it only if it is
        defined here."""


SETTINGS = settings_of(Fields)
OPTION_NAMES.update({name: one.option for name, one in SETTINGS.items()})
