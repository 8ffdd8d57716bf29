"""The plain PyTorch networks, as if trained."""

import torch
from torch import nn

from kerasnets.benchmark.contenders.plain_torch import plain_network


def random_twin(name: str, batch_norm: bool) -> nn.Module:
    """In evaluation mode, its batch norms as if trained: nothing is 0 or 1."""
    torch.manual_seed(0)
    twin = plain_network(name, batch_norm=batch_norm)
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.8)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return twin.eval()
