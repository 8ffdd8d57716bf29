"""Properties of tensors during lowering, and the context of a run."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from kerasnets.engines.torch_graph.kept_gradients import KeptGradients


class Context:
    """The state of one run through the graph.

    Attributes:
        training: whether batch statistics are used and collected.
        kept: receives the gradients of some kernels instead of `.grad`, or None.
    """

    def __init__(self, training: bool, kept: KeptGradients | None = None) -> None:
        self.training = training
        self.kept = kept
        self._moving: dict[tuple[float, float], _Moving] = defaultdict(_Moving)

    def gather(self, layer, mean: torch.Tensor, inverse_std: torch.Tensor) -> None:
        """Collect a batch's statistics for the update of a layer's moving ones."""
        moving = self._moving[layer.momentum, layer.epsilon]
        moving.means.append(parameter(layer.moving_mean))
        moving.variances.append(parameter(layer.moving_variance))
        moving.batch_means.append(mean)
        moving.batch_inverse_stds.append(inverse_std)

    def update_moving_statistics(self) -> None:
        """moving = moving * momentum + batch * (1 - momentum), with the biased
        variance, as in Keras."""
        with torch.no_grad():
            for (momentum, epsilon), moving in self._moving.items():
                variances = torch._foreach_pow(moving.batch_inverse_stds, -2)
                torch._foreach_sub_(variances, epsilon)
                torch._foreach_clamp_min_(variances, 0)
                torch._foreach_lerp_(
                    moving.means + moving.variances,
                    [*moving.batch_means, *variances],
                    1 - momentum,
                )


@dataclass
class _Moving:
    """Statistics of all layers with the same momentum and epsilon."""

    means: list[torch.Tensor] = field(default_factory=list)
    variances: list[torch.Tensor] = field(default_factory=list)
    batch_means: list[torch.Tensor] = field(default_factory=list)
    batch_inverse_stds: list[torch.Tensor] = field(default_factory=list)


Operation = Callable[..., torch.Tensor]


@dataclass
class Value:
    """Properties of a tensor that are known during lowering.

    Attributes:
        slot: its slot at run time.
        shape: its shape in Keras.
        images: whether it is stored as [N, C, H, W]; False for the model's input and
            for tensors of other rank.
        fresh: whether its only reader may overwrite it: the operation that created it
            does not need it for the backward pass, and no other tensor shares its
            memory.
        nonnegative: whether no element is negative.
        copies: number of equal pixels that it stands for.
        padding: zeros that its reader must add around it, (rows, columns).
        channels_last: data format of the Keras layer that created it.
        sole_use: whether exactly one operation reads it.
    """

    slot: int = 0
    shape: tuple[int | None, ...] = ()
    images: bool = False
    fresh: bool = False
    nonnegative: bool = False
    copies: int = 1
    padding: tuple[int, int] = (0, 0)
    channels_last: bool = True
    sole_use: bool = False


@dataclass
class Lowered:
    """An operation and its output. Without an operation, the operand is passed on.

    Attributes:
        absorbs_next: whether the operation includes the following layer.
    """

    operation: Operation | None
    value: Value
    absorbs_next: bool = False


def parameter(variable) -> torch.Tensor:
    """The tensor of a Keras variable, which stays the same. Accessing it through the
    variable at every step would cost more than some operations."""
    return variable._value


def as_images(value: Value, channels_last: bool) -> Callable:
    """The conversion of a tensor to [N, C, H, W] in channels-last memory."""
    if value.images:
        return lambda x: x
    if channels_last:
        return lambda x: x.permute(0, 3, 1, 2)
    return lambda x: x.contiguous(memory_format=torch.channels_last)


def is_channels_last(layer) -> bool:
    return layer.data_format == "channels_last"


def is_plain_relu(layer) -> bool:
    """Whether a ReLU layer is max(x, 0)."""
    return layer.max_value is None and not layer.negative_slope and not layer.threshold


def dtype_of(layer) -> torch.dtype:
    return getattr(torch, layer.compute_dtype)


def map_size(source: Value, channels_last: bool) -> tuple[int | None, int | None]:
    """Height and width without pending padding; None if unknown."""
    height, width = source.shape[1:3] if channels_last else source.shape[2:4]
    rows, columns = source.padding
    return (
        None if height is None else height - 2 * rows,
        None if width is None else width - 2 * columns,
    )


def store(kernel: torch.Tensor, order: tuple[int, ...]) -> None:
    """Store a kernel in the memory order of these axes, so that it need not be copied
    at every step. Its shape and values do not change."""
    back = [order.index(axis) for axis in range(len(order))]
    with torch.no_grad():
        kernel.data = kernel.detach().permute(order).contiguous().permute(back)


def pixel_rows(images: torch.Tensor) -> torch.Tensor:
    """[N, C, H, W] as [pixels, C]; a view if in channels-last memory."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def images_of(rows: torch.Tensor, like: torch.Size) -> torch.Tensor:
    """[pixels, C] as [N, C, H, W], with N, H and W from `like`."""
    count, _, height, width = like
    return rows.view(count, height, width, -1).permute(0, 3, 1, 2)
