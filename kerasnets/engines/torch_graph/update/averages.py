"""An exponential moving average of weights as one pass over them on PyTorch."""

from typing import Any

import torch

from kerasnets.engines.torch_graph.values import parameter


class TorchAverages:
    """Moves averages a share of the way to their weights.

    Args:
        averages, weights: variables of Keras, in pairs.
    """

    def __init__(self, averages: list[Any], weights: list[Any]) -> None:
        self._averages = [parameter(one).detach() for one in averages]
        self._weights = [parameter(one).detach() for one in weights]

    def move(self, share: Any) -> None:
        """Args:
        share: a scalar on the weights' device, in [0, 1].
        """
        with torch.no_grad():
            if share.device.type == "cpu":
                torch._foreach_lerp_(self._averages, self._weights, float(share))
                return
            # A number would have to be read from the device.
            steps = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(steps, share)
            torch._foreach_add_(self._averages, steps)
