"""Order runs by duration: if the longest start first, no process idles at the end."""

from collections.abc import Iterable

from kerasnets.catalog.datasets import DATASETS
from kerasnets.catalog.networks import NETWORKS
from kerasnets.paper.plan import PlannedRun

# Time per image relative to ResNet-34 on 32×32 images. It is determined by arithmetic
# on a CPU (measured at the quick scale), and by the number of layers on an accelerator
# (from the paper's times).
_FAMILIES = {
    "cpu": {"vgg": 8.0, "resnet": 1.0, "densenet": 1.4},
    "accelerator": {"vgg": 0.7, "resnet": 1.0, "densenet": 2.1},
}
_CIFAR_STEM = {"cpu": 12.0, "accelerator": 2.0}  # maps 4 times as wide and high


def longest_first(planned: Iterable[PlannedRun], device: str) -> list[PlannedRun]:
    """Sort runs by expected time, the longest first; ties keep their order.

    Args:
        device: "cpu", "cuda:0", ..., see `kerasnets.compute.runtime.Session`.
    """
    kind = "cpu" if device == "cpu" else "accelerator"

    def expected_time(one: PlannedRun) -> float:
        recipe = one.recipe
        images = recipe.epochs * (recipe.limit or DATASETS[recipe.dataset].train)
        stem = _CIFAR_STEM[kind] if recipe.stem == "cifar" else 1
        return images * stem * _FAMILIES[kind][NETWORKS[recipe.network].family]

    return sorted(planned, key=expected_time, reverse=True)
