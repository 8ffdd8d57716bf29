"""An exponential moving average of weights as one pass over them on PyTorch."""

from typing import Any

import torch

from kerasnets.engines.torch_graph.update.fused_sgd import may_read
from kerasnets.engines.torch_graph.values import parameter


class TorchAverages:
    """Moves averages a share of the way to their weights.

    Args:
        averages, weights: variables of Keras, in pairs.
    """

    def __init__(self, averages: list[Any], weights: list[Any]) -> None:
        self._weights = [parameter(one).detach() for one in weights]
        self._averages = []
        for variable, weight in zip(averages, self._weights, strict=True):
            tensor = parameter(variable)
            # In the memory order of the weight, as for the optimizer's momenta.
            tensor.data = torch.empty_like(weight).copy_(tensor)
            self._averages.append(tensor.detach())

    def move(self, share: Any) -> None:
        """Move by a share of the way, a scalar on the weights' device in [0, 1]."""
        with torch.no_grad():
            if may_read(share):
                torch._foreach_lerp_(self._averages, self._weights, float(share))
                return
            # A number would have to be read from the device.
            steps = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(steps, share)
            torch._foreach_add_(self._averages, steps)
