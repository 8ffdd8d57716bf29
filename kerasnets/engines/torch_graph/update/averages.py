"""Exponential moving average of weights in one pass on PyTorch."""

from typing import Any

import torch

from kerasnets.engines.torch_graph.update.fused_sgd import may_read
from kerasnets.engines.torch_graph.values import parameter


class TorchAverages:
    """Moves averages toward their weights.

    Args:
        averages, weights: Keras variables, in pairs.
    """

    def __init__(self, averages: list[Any], weights: list[Any]) -> None:
        self._weights = [parameter(one).detach() for one in weights]
        self._averages = []
        for variable, weight in zip(averages, self._weights, strict=True):
            tensor = parameter(variable)
            # In the memory order of the weight, as the optimizer's momenta.
            tensor.data = torch.empty_like(weight).copy_(tensor)
            self._averages.append(tensor.detach())

    def move(self, share: Any) -> None:
        """Move by `share` of the distance, a scalar tensor in [0, 1] on the weights'
        device."""
        with torch.no_grad():
            if may_read(share):
                torch._foreach_lerp_(self._averages, self._weights, float(share))
                return
            # As tensors, to avoid reading the number from the device.
            steps = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(steps, share)
            torch._foreach_add_(self._averages, steps)
