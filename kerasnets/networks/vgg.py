"""VGG (Simonyan & Zisserman 2015, table 1), as torchvision builds it."""

import keras
from keras import layers

from kerasnets.networks.adaptive_pool import adaptive_average_pool
from kerasnets.networks.blocks import Blocks, glorot_kernel

# Convolutions in each of the five stages: table 1's columns A, B, D and E.
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
FILTERS = (64, 128, 256, 512, 512)
UNITS = 4096


def vgg(
    depth: int,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    glorot: bool | str,
    head: str,
    data_format: str,
    seed: int | None,
) -> keras.Model:
    """VGG-`depth` with logits [N, num_classes].

    Layers: stage{s}_conv{c}[_norm], stage{s}_conv{c}_relu, stage{s}_pool; head_pool,
    flatten, fc1, fc1_relu, fc1_dropout, fc2, ..., classifier.

    Args:
        dropout: rate of the classifier's two dropouts.
        head: "imagenet" pools adaptively to 7x7 before the classifier, as in the
            original; "compact" pools globally.
    """
    blocks = Blocks(batch_norm, glorot, data_format, conv_bias=True, seed=seed)
    inputs = keras.Input(input_shape, name="images")
    x = inputs
    for stage, (count, filters) in enumerate(
        zip(CONVOLUTIONS[depth], FILTERS, strict=True), start=1
    ):
        for index in range(1, count + 1):
            x = blocks.conv_norm_relu(x, filters, 3, f"stage{stage}_conv{index}")
        x = blocks.max_pool(x, 2, f"stage{stage}_pool")
    if head == "compact":
        x = blocks.global_pool(x, "head_pool")
    else:
        x = adaptive_average_pool(x, 7, data_format, "head_pool")
        x = layers.Flatten(data_format=data_format, name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = blocks.dense(x, UNITS, name, glorot_kernel(glorot) or _dense_kernel())
        x = blocks.relu(x, f"{name}_relu")
        x = blocks.dropout(x, dropout, f"{name}_dropout")
    return keras.Model(
        inputs, blocks.logits(x, num_classes, _dense_kernel()), name=f"vgg{depth}"
    )


def _dense_kernel() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.01)
