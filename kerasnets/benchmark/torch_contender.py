"""torchvision's networks in a hand-written PyTorch loop."""

import numpy as np
import torch

from kerasnets.benchmark.contenders import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Contender,
    torchvision_works,
)
from kerasnets.networks.specs import NETWORKS


def make(
    name: str, network: str, x: np.ndarray, y: np.ndarray, device: str
) -> Contender:
    """The contender "torchvision contiguous" or "torchvision channels-last" on one
    batch, images [N, H, W, C] and labels [N]."""
    if torchvision_works() and x.shape[-1] == 3:
        import torchvision

        suffix = "_bn" if NETWORKS[network].family == "vgg" else ""
        module = getattr(torchvision.models, network + suffix)(num_classes=CLASSES)
    else:
        from kerasnets.benchmark.plain_torch import plain_network

        module = plain_network(
            network, batch_norm=True, channels=x.shape[-1], num_classes=CLASSES
        )
    channels_last = name.endswith("channels-last")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = module.to(device, memory_format=layout)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM
    )
    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    images = images.to(device).contiguous(memory_format=layout)
    labels = torch.from_numpy(y).to(device)

    def train() -> float:
        module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def predict() -> np.ndarray:
        module.eval()
        with torch.inference_mode():
            return module(images).cpu().numpy()

    return Contender(name, train, predict)
