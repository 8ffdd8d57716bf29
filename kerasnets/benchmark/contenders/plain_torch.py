"""The networks in plain PyTorch, with torchvision's structure and parameter names.

They replace torchvision if it cannot be imported, and tests compare our networks'
logits with theirs.
"""

from collections import OrderedDict

import torch
from torch import nn

from kerasnets.catalog.networks import NETWORKS
from kerasnets.networks.densenet import BLOCKS, BOTTLENECK
from kerasnets.networks.resnet import EXPANSION, STAGES
from kerasnets.networks.vgg import CONVOLUTIONS, FILTERS, UNITS


def plain_network(
    name: str, *, batch_norm: bool, channels: int = 3, num_classes: int = 10
) -> nn.Module:
    """Build torchvision's network, from images [N, C, H, W] to logits.

    Raises:
        ValueError: torchvision has no such variant (ResNet and DenseNet always have
            batch norm).
    """
    spec = NETWORKS[name]
    if spec.family == "vgg":
        return _vgg(spec.depth, batch_norm, channels, num_classes)
    if not batch_norm:
        raise ValueError(f"torchvision has no {name} without batch norm")
    if spec.family == "resnet":
        return _resnet(spec.depth, channels, num_classes)
    assert spec.growth_rate is not None
    return _densenet(spec.depth, spec.growth_rate, channels, num_classes)


def _vgg(depth: int, batch_norm: bool, channels: int, classes: int) -> nn.Module:
    features: list[nn.Module] = []
    for count, filters in zip(CONVOLUTIONS[depth], FILTERS, strict=True):
        for _ in range(count):
            features.append(nn.Conv2d(channels, filters, 3, padding=1))
            if batch_norm:
                features.append(nn.BatchNorm2d(filters))
            features.append(nn.ReLU(inplace=True))
            channels = filters
        features.append(nn.MaxPool2d(2))
    classifier = (
        nn.Linear(channels * 7 * 7, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(UNITS, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(UNITS, classes),
    )
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(*features),
            avgpool=nn.AdaptiveAvgPool2d(7),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(*classifier),
        )
    )


class _Block(nn.Module):
    """ResNet's basic block, or its bottleneck with the stride on the 3x3
    convolution."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        out = width * EXPANSION if bottleneck else width
        sizes = (1, 3, 1) if bottleneck else (3, 3)
        strides = (1, stride, 1) if bottleneck else (stride, 1)
        widths = (width,) * (len(sizes) - 1) + (out,)
        self.count = len(sizes)
        previous = channels
        for index, (size, step, filters) in enumerate(
            zip(sizes, strides, widths, strict=True), start=1
        ):
            conv = nn.Conv2d(previous, filters, size, step, size // 2, bias=False)
            setattr(self, f"conv{index}", conv)
            setattr(self, f"bn{index}", nn.BatchNorm2d(filters))
            previous = filters
        self.downsample = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for index in range(1, self.count + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            if index < self.count:
                y = y.relu_()
        y += x if self.downsample is None else self.downsample(x)
        return y.relu_()


def _resnet(depth: int, channels: int, classes: int) -> nn.Module:
    counts, bottleneck = STAGES[depth]
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    channels = 64
    for stage, count in enumerate(counts):
        blocks = []
        for index in range(count):
            stride = 2 if stage and not index else 1
            blocks.append(_Block(channels, 64 * 2**stage, stride, bottleneck))
            channels = 64 * 2**stage * (EXPANSION if bottleneck else 1)
        parts[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    parts["avgpool"] = nn.AdaptiveAvgPool2d(1)
    parts["flatten"] = nn.Flatten()
    parts["fc"] = nn.Linear(channels, classes)
    return nn.Sequential(parts)


class _DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, BOTTLENECK * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(self.norm1(x).relu_())
        return torch.cat([x, self.conv2(self.norm2(y).relu_())], 1)


def _densenet(depth: int, growth: int, channels: int, classes: int) -> nn.Module:
    first = 2 * growth
    features: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(channels, first, 7, 2, 3, bias=False),
        norm0=nn.BatchNorm2d(first),
        relu0=nn.ReLU(inplace=True),
        pool0=nn.MaxPool2d(3, 2, 1),
    )
    channels = first
    for stage, count in enumerate(BLOCKS[depth], start=1):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(1, count + 1):
            layers[f"denselayer{index}"] = _DenseLayer(channels, growth)
            channels += growth
        features[f"denseblock{stage}"] = nn.Sequential(layers)
        if stage < len(BLOCKS[depth]):
            features[f"transition{stage}"] = nn.Sequential(
                OrderedDict(
                    norm=nn.BatchNorm2d(channels),
                    relu=nn.ReLU(inplace=True),
                    conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
                    pool=nn.AvgPool2d(2),
                )
            )
            channels //= 2
    features["norm5"] = nn.BatchNorm2d(channels)
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(features),
            relu=nn.ReLU(inplace=True),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(channels, classes),
        )
    )
