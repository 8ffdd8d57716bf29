"""ResNet (He et al. 2016, table 1), as torchvision builds it.

Bottlenecks have their stride on the 3x3 convolution ("version 1.5").
"""

import keras

from kerasnets.networks.blocks import Blocks, torch_linear_init

# Blocks in each of the four stages, and whether they are bottlenecks.
STAGES = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
FILTERS = (64, 128, 256, 512)
EXPANSION = 4  # of a bottleneck's last convolution


def resnet(
    depth: int,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    glorot: bool | str,
    stem: str,
    data_format: str,
    seed: int | None,
) -> keras.Model:
    """ResNet-`depth` with logits [N, num_classes].

    Layers: stem_conv[_norm], stem_conv_relu, stem_pool; stage{s}_block{b}_conv{c}
    with _norm and _relu, stage{s}_block{b}_shortcut[_norm], _add, _relu; global_pool,
    dropout, classifier.

    Args:
        dropout: rate of the dropout before the last layer.
        stem: "imagenet", a 7x7/2 convolution and a 3x3/2 max-pool; or "cifar", a 3x3
            convolution.
    """
    blocks = Blocks(batch_norm, glorot, data_format, seed=seed)
    counts, bottleneck = STAGES[depth]
    inputs = keras.Input(input_shape, name="images")
    if stem == "cifar":
        x = blocks.conv_norm_relu(inputs, FILTERS[0], 3, "stem_conv")
    else:
        x = blocks.conv_norm_relu(inputs, FILTERS[0], 7, "stem_conv", stride=2)
        x = blocks.max_pool(x, 3, "stem_pool", padding=1)
    for stage, (count, filters) in enumerate(
        zip(counts, FILTERS, strict=True), start=1
    ):
        for index in range(1, count + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            x = _residual_block(
                blocks, x, filters, stride, bottleneck, f"stage{stage}_block{index}"
            )
    x = blocks.dropout(blocks.global_pool(x), dropout)
    init = torch_linear_init(x.shape[-1])
    outputs = blocks.logits(x, num_classes, init, torch_linear_init(x.shape[-1]))
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def _residual_block(
    blocks: Blocks, x, filters: int, stride: int, bottleneck: bool, name: str
):
    """[N, H, W, C] -> [N, H / stride, W / stride, filters (x 4)] (figures 2 and 5)."""
    shortcut = x
    out = filters * EXPANSION if bottleneck else filters
    if bottleneck:
        x = blocks.conv_norm_relu(x, filters, 1, f"{name}_conv1")
        x = blocks.conv_norm_relu(x, filters, 3, f"{name}_conv2", stride=stride)
        last, size = f"{name}_conv3", 1
    else:
        x = blocks.conv_norm_relu(x, filters, 3, f"{name}_conv1", stride=stride)
        last, size = f"{name}_conv2", 3
    x = blocks.norm(blocks.conv(x, out, size, last), f"{last}_norm")
    if stride > 1 or shortcut.shape[blocks.channel_axis] != out:
        shortcut_name = f"{name}_shortcut"
        shortcut = blocks.conv(shortcut, out, 1, shortcut_name, stride=stride)
        shortcut = blocks.norm(shortcut, f"{shortcut_name}_norm")
    return blocks.relu(blocks.add(x, shortcut, f"{name}_add"), f"{name}_relu")
