"""Keras's SGD as one pass over the weights on PyTorch.

Keras multiplies the momenta, adds the gradients, and adds the result to the weights,
each a pass through memory; for a large network and a small batch that is most of a
step. PyTorch has all of it as one operation, whose momenta are defined otherwise
(without the learning rate); scaling the gradients by minus the learning rate, and
giving it a rate of minus one, makes it Keras's rule:

    m = momentum * m - rate * g;  w = w + m
"""

from dataclasses import dataclass
from typing import Any

import keras
import torch

from kerasnets.engines.kept_gradients import KeptGradient, KeptGradients
from kerasnets.engines.torch_lowering import parameter

# Weight, gradient and momentum, vectors alike in length; no momentum where the rule has
# none.
Piece = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


@dataclass
class _Target:
    """A weight, or a part of one, that has a gradient of its own.

    Attributes:
        order: of its dimensions in memory.
        weight, momentum: vectors in the order of memory; PyTorch's operation copies
            what is in another order.
        like: the weight in its own shape.
    """

    order: list[int]
    weight: torch.Tensor
    momentum: torch.Tensor | None
    like: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor, momentum: torch.Tensor | None) -> "_Target":
        order = sorted(range(weight.dim()), key=weight.stride, reverse=True)
        straight = weight.permute(order).view(-1)
        if momentum is not None:
            momentum = momentum.permute(order).view(-1)
        return cls(order, straight, momentum, weight)

    def piece(self, gradient: torch.Tensor) -> Piece:
        straight = gradient.permute(self.order)
        if not straight.is_contiguous():
            straight = torch.empty_like(self.like).copy_(gradient).permute(self.order)
        return self.weight, straight.view(-1), self.momentum


def fits(optimizer: Any) -> bool:
    """Whether `FusedSGD` does what the optimizer would: a built plain SGD of float32
    weights, without clipping, averaging, accumulation, constraints or loss scale."""
    return (
        isinstance(optimizer, keras.optimizers.SGD)
        and optimizer.built
        and type(optimizer).__module__.startswith("keras.")
        and not optimizer.nesterov
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


class FusedSGD:
    """Takes the place of `optimizer.apply`, on the optimizer's own variables.

    Args:
        optimizer: one that `fits`.
        kept: gradients that are not in the weights' `.grad`.
    """

    def __init__(self, optimizer: keras.optimizers.SGD, kept: KeptGradients) -> None:
        self.optimizer = optimizer
        self.kept = kept
        self._whole: dict[int, _Target] = {}
        self._parts: dict[int, list[_Target]] = {}
        self._at_rest: dict[int, bool] = {}

    def apply(self, gradients: list[torch.Tensor | None], variables: list) -> None:
        """One step; a variable whose gradient is None must have a kept one, or is
        left as it is."""
        optimizer = self.optimizer
        # A tensor: a number would have to be read from the device.
        rate = keras.ops.convert_to_tensor(optimizer.learning_rate).detach()
        optimizer._apply_weight_decay(variables)
        pieces: list[Piece] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            whole = self._whole.get(id(variable)) or self._find(variable)
            kept = self.kept.of(whole.like)
            if gradient is not None:
                if kept is not None:  # a regularizer's comes besides
                    gradient = gradient + kept.whole(whole.like)
                pieces.append(whole.piece(gradient))
                continue
            if kept is None:
                continue
            parts = self._parts.get(id(variable)) or self._find_parts(variable, kept)
            if kept.shared:
                scaled = kept.parts[0] * -rate
                self._update([part.piece(scaled) for part in parts], None)
            elif self._rest_is_at_rest(variable, kept):
                pieces += [
                    part.piece(gradient)
                    for part, gradient in zip(parts, kept.parts, strict=True)
                ]
            else:
                pieces.append(whole.piece(kept.whole(whole.like)))
        self._update(pieces, torch.reciprocal(-rate))
        parameter(optimizer._iterations).add_(1)

    def _momentum(self, variable: Any) -> torch.Tensor | None:
        if self.optimizer.momentum == 0:
            return None
        index = self.optimizer._get_variable_index(variable)
        return parameter(self.optimizer.momentums[index])

    def _find(self, variable: Any) -> _Target:
        weight = parameter(variable).detach()
        whole = _Target.of(weight, self._momentum(variable))
        whole.like = parameter(variable)
        self._whole[id(variable)] = whole
        return whole

    def _find_parts(self, variable: Any, kept: KeptGradient) -> list[_Target]:
        weights = kept.views(parameter(variable).detach())
        momentum = self._momentum(variable)
        momenta = [None] * len(weights) if momentum is None else kept.views(momentum)
        parts = [_Target.of(*one) for one in zip(weights, momenta, strict=True)]
        self._parts[id(variable)] = parts
        return parts

    def _rest_is_at_rest(self, variable: Any, kept: KeptGradient) -> bool:
        """Whether the parts of a kernel that get no gradient have no momentum either,
        so that they need no step. Looked at once: it stays so."""
        momentum = self._momentum(variable)
        if momentum is None:
            return True
        known = self._at_rest.get(id(variable))
        if known is None:
            rest = momentum.clone()
            for view in kept.views(rest):
                view.zero_()
            known = self._at_rest[id(variable)] = not bool(rest.any())
        return known

    def _update(self, pieces: list[Piece], divisor: torch.Tensor | None) -> None:
        """m = momentum * m + g / divisor; w = w + m. The gradients are overwritten."""
        if not pieces:
            return
        weights, gradients, momenta = (
            list(tensors) for tensors in zip(*pieces, strict=True)
        )
        torch._fused_sgd_(
            weights,
            gradients,
            [] if self.optimizer.momentum == 0 else momenta,
            weight_decay=0.0,
            momentum=self.optimizer.momentum,
            lr=-1.0,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
            grad_scale=divisor,
        )
