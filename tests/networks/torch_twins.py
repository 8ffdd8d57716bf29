"""torchvision's networks, written by hand for 10 classes with its parameter names."""

from collections import OrderedDict

import torch
from torch import nn

VGG11 = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")


def vgg11(batch_norm: bool) -> nn.Module:
    features: list[nn.Module] = []
    channels = 3
    for filters in VGG11:
        if isinstance(filters, str):
            features.append(nn.MaxPool2d(2))
            continue
        features.append(nn.Conv2d(channels, filters, 3, padding=1))
        if batch_norm:
            features.append(nn.BatchNorm2d(filters))
        features.append(nn.ReLU())
        channels = filters
    classifier = (
        nn.Linear(512 * 7 * 7, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 10),
    )
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(*features),
            avgpool=nn.AdaptiveAvgPool2d(7),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(*classifier),
        )
    )


class Block(nn.Module):
    """ResNet's basic block, or the bottleneck with its stride on the 3x3."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        self.count = 3 if bottleneck else 2
        out = width * 4 if bottleneck else width
        sizes = (1, 3, 1) if bottleneck else (3, 3)
        strides = (1, stride, 1) if bottleneck else (stride, 1)
        widths = (width,) * (self.count - 1) + (out,)
        previous = channels
        for index in range(self.count):
            size = sizes[index]
            conv = nn.Conv2d(
                previous, widths[index], size, strides[index], size // 2, bias=False
            )
            setattr(self, f"conv{index + 1}", conv)
            setattr(self, f"bn{index + 1}", nn.BatchNorm2d(widths[index]))
            previous = widths[index]
        self.downsample = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = x
        for index in range(1, self.count + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            if index < self.count:
                y = y.relu()
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


def resnet(counts: tuple[int, ...], bottleneck: bool) -> nn.Module:
    stages: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    channels = 64
    for stage, count in enumerate(counts):
        blocks = []
        for index in range(count):
            stride = 2 if stage and not index else 1
            blocks.append(Block(channels, 64 * 2**stage, stride, bottleneck))
            channels = 64 * 2**stage * (4 if bottleneck else 1)
        stages[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    return nn.Sequential(
        stages
        | OrderedDict(
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(channels, 10),
        )
    )


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(self.norm1(x).relu())
        return torch.cat([x, self.conv2(self.norm2(y).relu())], 1)


def densenet121() -> nn.Module:
    features: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        norm0=nn.BatchNorm2d(64),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(3, 2, 1),
    )
    channels = 64
    for stage, count in enumerate((6, 12, 24, 16), start=1):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(1, count + 1):
            layers[f"denselayer{index}"] = DenseLayer(channels, 32)
            channels += 32
        features[f"denseblock{stage}"] = nn.Sequential(layers)
        if stage < 4:
            features[f"transition{stage}"] = nn.Sequential(
                OrderedDict(
                    norm=nn.BatchNorm2d(channels),
                    relu=nn.ReLU(),
                    conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
                    pool=nn.AvgPool2d(2),
                )
            )
            channels //= 2
    features["norm5"] = nn.BatchNorm2d(channels)
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(features),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(channels, 10),
        )
    )


# (our name, batch norm) -> the twin
TWINS = {
    ("vgg11", False): lambda: vgg11(False),
    ("vgg11", True): lambda: vgg11(True),
    ("resnet18", True): lambda: resnet((2, 2, 2, 2), False),
    ("resnet50", True): lambda: resnet((3, 4, 6, 3), True),
    ("densenet121", True): densenet121,
}


def random_twin(name: str, batch_norm: bool) -> nn.Module:
    """In evaluation mode, its batch norms as if trained: nothing is 0 or 1."""
    torch.manual_seed(0)
    twin = TWINS[name, batch_norm]()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.8)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return twin.eval()
