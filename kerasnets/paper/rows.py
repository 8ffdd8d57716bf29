"""The nine rows of the paper's Tables 1 and 2."""

from dataclasses import dataclass
from typing import Any

from kerasnets.recipe import Recipe


@dataclass(frozen=True)
class PaperRow:
    """One row of the paper's Table 1 (MNIST) or 2 (CIFAR-10).

    Attributes:
        label: the row's name in the paper.
        recipe: the recipe as far as the paper states it (sections IV.B and IV.C).
        test_accuracy: as printed, in percent.
        minutes: training time on the paper's GPU as stated in section V, or None.
    """

    label: str
    recipe: Recipe
    test_accuracy: float
    minutes: float | None

    @property
    def accuracy(self) -> float:
        """`test_accuracy` as a share."""
        return self.test_accuracy / 100

    @property
    def table(self) -> int:
        """The number of the paper's table."""
        return 1 if self.recipe.dataset == "mnist" else 2


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
