"""DenseNet-BC (Huang et al. 2017, table 1), as torchvision builds it."""

import keras

from kerasnets.networks.blocks import Blocks, torch_linear_init

# Layers in each of the four dense blocks.
BLOCKS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
}
BOTTLENECK = 4  # channels of a layer's 1x1 convolution, as a multiple of growth_rate


def densenet(
    depth: int,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    glorot: bool | str,
    stem: str,
    growth_rate: int,
    data_format: str,
    seed: int | None,
) -> keras.Model:
    """DenseNet-`depth` with logits [N, num_classes].

    Layers: stem_conv[_norm], stem_conv_relu, stem_pool; stage{s}_layer{l}_conv{1,2},
    each after its own _norm and _relu, stage{s}_layer{l}_concat;
    transition{s}_conv (after _norm, _relu), transition{s}_pool; final_norm, final_relu,
    global_pool, dropout, classifier.

    Args:
        dropout: rate of the dropout before the last layer.
        stem: "imagenet", a 7x7/2 convolution and a 3x3/2 max-pool; or "cifar", a 3x3
            convolution. Both have 2 * growth_rate channels.
        growth_rate: channels that each layer adds.
    """
    blocks = Blocks(batch_norm, glorot, data_format, conv_init="fan_in", seed=seed)
    inputs = keras.Input(input_shape, name="images")
    if stem == "cifar":
        x = blocks.conv_norm_relu(inputs, 2 * growth_rate, 3, "stem_conv")
    else:
        x = blocks.conv_norm_relu(inputs, 2 * growth_rate, 7, "stem_conv", stride=2)
        x = blocks.max_pool(x, 3, "stem_pool", padding=1)
    for stage, count in enumerate(BLOCKS[depth], start=1):
        for index in range(1, count + 1):
            x = _dense_layer(blocks, x, growth_rate, f"stage{stage}_layer{index}")
        if stage < len(BLOCKS[depth]):
            half = x.shape[blocks.channel_axis] // 2
            x = blocks.norm_relu_conv(x, half, 1, f"transition{stage}_conv")
            x = blocks.average_pool(x, f"transition{stage}_pool")
    x = blocks.relu(blocks.norm(x, "final_norm"), "final_relu")
    x = blocks.dropout(blocks.global_pool(x), dropout)
    outputs = blocks.logits(x, num_classes, torch_linear_init(x.shape[-1]))
    return keras.Model(inputs, outputs, name=f"densenet{depth}")


def _dense_layer(blocks: Blocks, x, growth_rate: int, name: str):
    """[N, H, W, C] -> [N, H, W, C + growth_rate] (section 3, "bottleneck layers")."""
    new = blocks.norm_relu_conv(x, BOTTLENECK * growth_rate, 1, f"{name}_conv1")
    new = blocks.norm_relu_conv(new, growth_rate, 3, f"{name}_conv2")
    return blocks.concatenate(x, new, f"{name}_concat")
