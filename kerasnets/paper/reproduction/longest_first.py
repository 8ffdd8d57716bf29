"""Order runs by duration: if the longest start first, no process idles at the end."""

from collections.abc import Iterable

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.paper.plan import PlannedRun
from kerasnets.recipe import Recipe

# Time per image relative to ResNet-34 on 32×32 images. It is determined by arithmetic
# on a CPU (measured at the quick scale), and by the number of layers on an accelerator
# (from the paper's times).
_CPU = {"vgg": 8.0, "resnet": 1.0, "densenet": 1.4}
_ACCELERATOR = {"vgg": 0.7, "resnet": 1.0, "densenet": 2.1}
_CIFAR_STEM = {"cpu": 12.0, "accelerator": 2.0}  # maps 4 times as wide and high


def longest_first(planned: Iterable[PlannedRun], device: str) -> list[PlannedRun]:
    """Sort runs by expected time, the longest first; ties keep their order.

    Args:
        device: "cpu", "cuda:0", ..., see `kerasnets.compute.runtime.Session`.
    """
    return sorted(
        planned, key=lambda one: expected_time(one.recipe, device), reverse=True
    )


def expected_time(recipe: Recipe, device: str) -> float:
    """Training time in units of one image through ResNet-34; meaningful for ordering
    only."""
    kind = "cpu" if device == "cpu" else "accelerator"
    an_image = (_CPU if kind == "cpu" else _ACCELERATOR)[
        NETWORKS[recipe.network].family
    ]
    if recipe.stem == "cifar":
        an_image *= _CIFAR_STEM[kind]
    return recipe.epochs * (recipe.limit or DATASETS[recipe.dataset].train) * an_image
