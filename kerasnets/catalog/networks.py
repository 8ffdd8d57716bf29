"""Facts about every network, without importing Keras."""

from dataclasses import dataclass

from kerasnets.errors import RecipeError, shown, unknown

HEADS = ("imagenet", "compact")
STEMS = ("imagenet", "cifar")
INITIAL_WEIGHTS = ("numpy", "backend")
HEAD = "classifier"  # the last layer of every network


@dataclass(frozen=True)
class NetworkSpec:
    """Facts about one network.

    Attributes:
        family: "vgg", "resnet" or "densenet".
        depth: number of layers with weights, as in the network's name.
        growth_rate: channels that each DenseNet layer adds; None for other families.
        parameters: numbers of trainable parameters without and with batch norm, for 10
            classes and 3 channels; those of the original equal torchvision's.
    """

    family: str
    depth: int
    growth_rate: int | None
    parameters: tuple[int, int]

    @property
    def batch_norm(self) -> bool:
        """Whether the original network has batch normalization."""
        return self.family != "vgg"

    @property
    def dropout(self) -> float:
        """The original network's dropout rate, in [0, 1)."""
        return 0.5 if self.family == "vgg" else 0.0

    @property
    def stages(self) -> int:
        """Number of convolutional stages between stem and classifier."""
        return 5 if self.family == "vgg" else 4

    @property
    def source(self) -> str:
        """The paper that defines the network, and its table."""
        return _SOURCES[self.family]


_SOURCES = {
    "vgg": "Simonyan & Zisserman 2015, table 1",
    "resnet": "He et al. 2016, table 1",
    "densenet": "Huang et al. 2017, table 1",
}

NETWORKS = {
    "vgg11": NetworkSpec("vgg", 11, None, (128_807_306, 128_812_810)),
    "vgg13": NetworkSpec("vgg", 13, None, (128_991_818, 128_997_706)),
    "vgg16": NetworkSpec("vgg", 16, None, (134_301_514, 134_309_962)),
    "vgg19": NetworkSpec("vgg", 19, None, (139_611_210, 139_622_218)),
    "resnet18": NetworkSpec("resnet", 18, None, (11_176_842, 11_181_642)),
    "resnet34": NetworkSpec("resnet", 34, None, (21_281_290, 21_289_802)),
    "resnet50": NetworkSpec("resnet", 50, None, (23_501_962, 23_528_522)),
    "resnet101": NetworkSpec("resnet", 101, None, (42_467_978, 42_520_650)),
    "resnet152": NetworkSpec("resnet", 152, None, (58_088_586, 58_164_298)),
    "densenet121": NetworkSpec("densenet", 121, 32, (6_890_698, 6_964_106)),
    "densenet161": NetworkSpec("densenet", 161, 48, (26_294_602, 26_494_090)),
    "densenet169": NetworkSpec("densenet", 169, 32, (12_356_938, 12_501_130)),
    "densenet201": NetworkSpec("densenet", 201, 32, (17_900_106, 18_112_138)),
}


def check_options(name: str, head: str, stem: str, growth_rate: int | None) -> None:
    """Check that a network has the given options.

    Args:
        growth_rate: None for the network's own.

    Raises:
        RecipeError: a name is unknown, or an option belongs to another family.
    """
    for kind, value, allowed in (
        ("network", name, NETWORKS),
        ("head", head, HEADS),
        ("stem", stem, STEMS),
    ):
        if value not in allowed:
            raise RecipeError(unknown(kind, value, allowed))
    family = NETWORKS[name].family
    if family != "vgg" and head != "imagenet":
        raise RecipeError(
            f"head {head!r} is for VGG networks: {name} has a single head (global "
            "average pool and one dense layer), called 'imagenet'."
        )
    if family == "vgg" and stem != "imagenet":
        raise RecipeError(
            f"stem {stem!r} is for ResNet and DenseNet networks: {name} has a single "
            "stem, called 'imagenet'."
        )
    if growth_rate is not None and family != "densenet":
        raise RecipeError(
            f"growth_rate {growth_rate!r} does not fit {name}: only DenseNet networks "
            "have one."
        )
    if growth_rate is not None and not (
        isinstance(growth_rate, int) and growth_rate >= 1
    ):
        raise RecipeError(
            f"growth_rate must be a whole number >= 1, not {growth_rate!r}."
        )


def frozen_stages(name: str, what: str) -> int:
    """The last frozen stage of a network: 0 for the stem, -1 for none, and
    `NetworkSpec.stages` + 1 for all but the head.

    Args:
        name: of the network.
        what: "none", "all-but-head" or "stages:N" (the stem and N stages).

    Raises:
        RecipeError: `what` is none of these, or the network has fewer stages.
    """
    stages = NETWORKS[name].stages
    if what == "none":
        return -1
    if what == "all-but-head":
        return stages + 1
    kind, _, number = what.partition(":")
    if kind == "stages" and number in map(str, range(1, stages + 1)):
        return int(number)
    raise RecipeError(
        f"freeze must be none, all-but-head or stages:N, of which {name} has 1 to "
        f"{stages}, not {shown(what)!r}."
    )


def minimum_size(name: str, stem: str) -> int:
    """Smallest height and width, in pixels, for which every layer has a pixel.

    VGG halves the size five times, rounding down. DenseNet halves it three times,
    rounding down, after a stem that quarters it, rounding up ("imagenet"), or keeps it
    ("cifar"). ResNet always rounds up, and would accept a single pixel, but learn
    nothing from it.
    """
    family = NETWORKS[name].family
    if family == "vgg":
        return 32
    if family == "resnet":
        return 2
    return 29 if stem == "imagenet" else 8


def check_size(name: str, stem: str, height: int, width: int) -> None:
    """Check that a network can take images of a size, in pixels.

    Raises:
        RecipeError: the images are too small.
    """
    smallest = minimum_size(name, stem)
    if min(height, width) < smallest:
        raise RecipeError(
            f"{name} with the {stem} stem needs images of at least "
            f"{smallest}x{smallest} pixels, not {height}x{width}."
        )
