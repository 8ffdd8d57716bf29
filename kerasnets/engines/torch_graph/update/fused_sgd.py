"""Keras's SGD in one pass over the weights on PyTorch.

Keras multiplies the momenta, adds the gradients, and adds the result to the weights,
each a pass through memory; for a large network and a small batch this takes most of a
step. PyTorch has a fused operation, whose momenta are defined differently (without the
learning rate). With gradients scaled by minus the learning rate, and a rate of minus
one, it computes Keras's rule:

    m = momentum * m - rate * g;  w = w + m  (Nesterov: w = w + momentum * m - rate * g)

Coupled weight decay is added to the gradient before.

Kernels are updated during the backward pass, soon after their gradients are computed:
these are still in the processor's cache, and never all in memory at once.
"""

from dataclasses import dataclass
from typing import Any

import keras
import torch

from kerasnets.engines.torch_graph.kept_gradients import KeptGradient, KeptGradients
from kerasnets.engines.torch_graph.values import parameter

# Kernels are updated together once they have this many values: few enough for the
# cache, and enough to outweigh the overhead of a call, some microseconds.
_TOGETHER = 1 << 18

# Weight, gradient and momentum (vectors of equal length; None without momentum),
# whether the weight decays, and the factor of its learning rate.
Piece = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, bool, float]


@dataclass
class _Target:
    """A weight, or a part of one, with its own gradient.

    Attributes:
        order: memory order of its dimensions; None for the default.
        weight, momentum: vectors in memory order, as PyTorch's operation copies tensors
            in other orders.
        like: the weight in its own shape.
        decays: whether it has coupled weight decay.
        factor: of the learning rate.
    """

    order: list[int] | None
    weight: torch.Tensor
    momentum: torch.Tensor | None
    like: torch.Tensor
    decays: bool
    factor: float

    @classmethod
    def of(
        cls,
        weight: torch.Tensor,
        momentum: torch.Tensor | None,
        *,
        decays: bool,
        factor: float,
    ) -> "_Target":
        order = sorted(range(weight.dim()), key=weight.stride, reverse=True)
        straight = weight.permute(order).view(-1)
        if momentum is not None:
            momentum = momentum.permute(order).view(-1)
        usual = order == list(range(weight.dim()))
        order_ = None if usual else order
        return cls(order_, straight, momentum, weight, decays, factor)

    def piece(self, gradient: torch.Tensor) -> Piece:
        straight = self._in_order(gradient)
        if not straight.is_contiguous():
            straight = self._in_order(torch.empty_like(self.like).copy_(gradient))
        if straight.dim() > 1:
            straight = straight.view(-1)
        return self.weight, straight, self.momentum, self.decays, self.factor

    def _in_order(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if self.order is None else tensor.permute(self.order)


@dataclass
class _Parts:
    """The targets of a kept gradient.

    Attributes:
        targets: the parts of the kernel that have a gradient.
        alone: whether the other parts need no update, having neither momentum nor
            decay.
    """

    targets: list[_Target]
    alone: bool


def fits(optimizer: Any) -> bool:
    """Whether `FusedSGD` supports the optimizer: a built SGD for float32 weights,
    without clipping, averaging, accumulation, constraints or loss scaling; coupled
    decay is supported."""
    return (
        isinstance(optimizer, keras.optimizers.SGD)
        and optimizer.built
        and type(optimizer).__module__.startswith(("keras.", "kerasnets."))
        and not optimizer.use_ema
        and not any(
            (optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue)
        )
        and not optimizer.gradient_accumulation_steps
        and optimizer.loss_scale_factor is None
        and all(
            weight.constraint is None
            and not weight.overwrite_with_gradient
            and weight.dtype == "float32"
            for weight in optimizer._trainable_variables
        )
    )


def may_read(value: torch.Tensor) -> bool:
    """Whether a value can be read without synchronizing with a device."""
    return value.device.type == "cpu"


class FusedSGD:
    """Replaces `optimizer.apply`, on the optimizer's own variables.

    Args:
        optimizer: one accepted by `fits`.
        kept: gradients that are not in the weights' `.grad`.
        early: whether to update kernels during the backward pass. They must not receive
            any other gradient then.

    Call `begin` before each backward pass, and `apply` after it.
    """

    def __init__(
        self, optimizer: keras.optimizers.SGD, kept: KeptGradients, *, early: bool
    ) -> None:
        self.optimizer = optimizer
        self.kept = kept
        self._decay = getattr(optimizer, "coupled_decay", 0.0)
        self._factors = getattr(optimizer, "rate_factors", {})
        if early and not optimizer.weight_decay:
            kept.use = self._step_soon
        self._variables = {
            id(parameter(variable)): variable
            for variable in optimizer._trainable_variables
        }
        self._waiting: list[KeptGradient] = []
        self._values = 0  # total size of the waiting kernels
        self._whole: dict[int, _Target] = {}
        self._parts: dict[int, _Parts] = {}

    def begin(self) -> None:
        """Begin a step, which may have a new learning rate."""
        # As a tensor, to avoid reading it from the device. Done here, because CUDA's
        # backward pass runs in another thread, where Keras's device scope is not set.
        rate = keras.ops.convert_to_tensor(self.optimizer.learning_rate).detach()
        self._minus_rate = -rate
        self._divisor = torch.reciprocal(-rate)
        self._fused_decay = None
        if self._decay and may_read(rate):
            self._fused_decay = -float(rate) * self._decay
        self._waiting.clear()  # left by a step that failed
        self._values = 0

    def apply(self, gradients: list[torch.Tensor | None], variables: list) -> None:
        """Do one step. A variable whose gradient is None is updated by its kept
        gradient, if any."""
        self._step_of_waiting()
        self.optimizer._apply_weight_decay(variables)
        pieces: list[Piece] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            whole = self._whole.get(id(variable)) or self._find(variable)
            kept = self.kept.of(whole.like)
            if gradient is not None:
                if kept is not None:  # in addition, from a regularizer
                    gradient = gradient + kept.whole()
                pieces.append(whole.piece(gradient))
            elif kept is not None and kept.parts:
                pieces += self._pieces(variable, kept)
            if kept is not None:
                kept.parts = []
        self._update(pieces)
        parameter(self.optimizer._iterations).add_(1)

    def _step_soon(self, kept: KeptGradient) -> None:
        self._waiting.append(kept)
        self._values += kept.parameter.numel()
        if self._values >= _TOGETHER:
            self._step_of_waiting()

    def _step_of_waiting(self) -> None:
        pieces: list[Piece] = []
        for kept in self._waiting:
            pieces += self._pieces(self._variables[id(kept.parameter)], kept)
            kept.parts = []
        self._update(pieces)
        self._waiting.clear()
        self._values = 0

    def _pieces(self, variable: Any, kept: KeptGradient) -> list[Piece]:
        """Pieces to update for a kept gradient. Shared gradients are applied here."""
        parts = self._parts.get(id(variable)) or self._find_parts(variable, kept)
        if kept.shared and not self._decays(variable):
            # Scaled once, as scaling within the update would modify it repeatedly.
            scaled = kept.parts[0] * self._minus_rate
            if (factor := self._factor(variable)) != 1:
                scaled *= factor
            self._update([part.piece(scaled) for part in parts.targets], scaled=True)
            return []
        if parts.alone and not kept.shared:
            return [
                part.piece(gradient)
                for part, gradient in zip(parts.targets, kept.parts, strict=True)
            ]
        whole = self._whole.get(id(variable)) or self._find(variable)
        return [whole.piece(kept.whole())]

    def _decays(self, variable: Any) -> bool:
        return bool(self._decay) and self.optimizer._use_weight_decay(variable)

    def _factor(self, variable: Any) -> float:
        return self._factors.get(id(variable), 1.0)

    def _momentum(self, variable: Any) -> torch.Tensor | None:
        if self.optimizer.momentum == 0:
            return None
        index = self.optimizer._get_variable_index(variable)
        return parameter(self.optimizer.momentums[index])

    def _find(self, variable: Any) -> _Target:
        weight = parameter(variable).detach()
        momentum, decays = self._momentum(variable), self._decays(variable)
        whole = _Target.of(
            weight, momentum, decays=decays, factor=self._factor(variable)
        )
        whole.like = parameter(variable)
        self._whole[id(variable)] = whole
        return whole

    def _find_parts(self, variable: Any, kept: KeptGradient) -> _Parts:
        weights = kept.views(parameter(variable).detach())
        momentum = self._momentum(variable)
        momenta = [None] * len(weights) if momentum is None else kept.views(momentum)
        decays = self._decays(variable)
        targets = [
            _Target.of(*one, decays=decays, factor=self._factor(variable))
            for one in zip(weights, momenta, strict=True)
        ]
        covered = sum(weight.numel() for weight in weights)
        rests = covered < kept.parameter.numel()
        alone = not (rests and decays)
        if alone and rests and momentum is not None:
            rest = momentum.clone()
            for view in kept.views(rest):
                view.zero_()
            alone = not bool(rest.any())  # checked once, as it cannot change
        parts = self._parts[id(variable)] = _Parts(targets, alone)
        return parts

    def _update(self, pieces: list[Piece], *, scaled: bool = False) -> None:
        """Apply the update rule. Gradients are overwritten, unless already `scaled` by
        minus the rate."""
        for factor in sorted({one[4] for one in pieces}):
            self._update_alike([one for one in pieces if one[4] == factor], scaled)

    def _update_alike(self, pieces: list[Piece], scaled: bool) -> None:
        """As `_update`, for weights with the same learning rate."""
        decaying = [one for one in pieces if one[3]]
        if decaying and self._fused_decay is not None:
            self._fused(decaying, scaled=scaled, decay=self._fused_decay)
            pieces = [one for one in pieces if not one[3]]
        elif decaying:
            weights, gradients, *_ = zip(*decaying, strict=True)
            torch._foreach_add_(gradients, weights, alpha=self._decay)
        if pieces:
            self._fused(pieces, scaled=scaled)

    def _fused(self, pieces: list[Piece], *, scaled: bool, decay: float = 0.0) -> None:
        """Call PyTorch's fused operation.

        Args:
            decay: its product with the weights is added to the scaled gradients.
        """
        factor = pieces[0][4]
        weights, gradients, momenta = (
            list(tensors) for tensors in list(zip(*pieces, strict=True))[:3]
        )
        torch._fused_sgd_(
            weights,
            gradients,
            [] if self.optimizer.momentum == 0 else momenta,
            weight_decay=decay * factor,
            momentum=self.optimizer.momentum,
            lr=-1.0,
            dampening=0.0,
            nesterov=self.optimizer.nesterov and self.optimizer.momentum > 0,
            maximize=False,
            is_first_step=False,
            grad_scale=None if scaled else self._scale(factor),
        )

    def _scale(self, factor: float) -> torch.Tensor:
        """The value by which PyTorch divides gradients."""
        return self._divisor if factor == 1 else self._divisor / factor
