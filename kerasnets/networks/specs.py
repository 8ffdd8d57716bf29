"""Facts about every network, free of Keras so that they can be listed at once."""

from dataclasses import dataclass

HEADS = ("imagenet", "compact")
STEMS = ("imagenet", "cifar")


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the table.

    Attributes:
        family: "vgg", "resnet" or "densenet".
        depth: layers with weights, as counted in the network's name.
        growth_rate: channels that each DenseNet layer adds; None elsewhere.
        source: the paper that defines the network, and its table.
    """

    family: str
    depth: int
    growth_rate: int | None
    source: str

    @property
    def batch_norm(self) -> bool:
        """Whether the original network has batch normalization."""
        return self.family != "vgg"

    @property
    def dropout(self) -> float:
        """The original network's dropout rate, in [0, 1)."""
        return 0.5 if self.family == "vgg" else 0.0


_VGG = "Simonyan & Zisserman 2015, table 1"
_RESNET = "He et al. 2016, table 1"
_DENSENET = "Huang et al. 2017, table 1"

NETWORKS = {
    "vgg11": NetworkSpec("vgg", 11, None, _VGG),
    "vgg13": NetworkSpec("vgg", 13, None, _VGG),
    "vgg16": NetworkSpec("vgg", 16, None, _VGG),
    "vgg19": NetworkSpec("vgg", 19, None, _VGG),
    "resnet18": NetworkSpec("resnet", 18, None, _RESNET),
    "resnet34": NetworkSpec("resnet", 34, None, _RESNET),
    "resnet50": NetworkSpec("resnet", 50, None, _RESNET),
    "resnet101": NetworkSpec("resnet", 101, None, _RESNET),
    "resnet152": NetworkSpec("resnet", 152, None, _RESNET),
    "densenet121": NetworkSpec("densenet", 121, 32, _DENSENET),
    "densenet161": NetworkSpec("densenet", 161, 48, _DENSENET),
    "densenet169": NetworkSpec("densenet", 169, 32, _DENSENET),
    "densenet201": NetworkSpec("densenet", 201, 32, _DENSENET),
}
