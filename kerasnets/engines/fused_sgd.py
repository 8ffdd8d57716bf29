"""Keras's SGD as one pass over the weights on PyTorch.

Keras multiplies the momenta, adds the gradients, and adds the result to the weights,
each a pass through memory; for a large network and a small batch that is most of a
step. PyTorch has all of it as one operation, whose momenta are defined otherwise
(without the learning rate); scaling the gradients by minus the learning rate, and
giving it a rate of minus one, makes it Keras's rule:

    m = momentum * m - rate * g;  w = w + m
"""

from typing import Any

import keras
import torch

from kerasnets.engines.kept_gradients import KeptGradients, Views
from kerasnets.engines.torch_lowering import parameter

# Weight, gradient and momentum, alike in shape; no momentum where the rule has none.
Piece = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


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
        self._found: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._at_rest: dict[int, bool] = {}

    def apply(self, gradients: list[torch.Tensor | None], variables: list) -> None:
        """One step; a variable whose gradient is None must have a kept one, or is
        left as it is."""
        optimizer = self.optimizer
        rate = float(optimizer.learning_rate)
        optimizer._apply_weight_decay(variables)
        pieces: list[Piece] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            weight, momentum = self._tensors(variable)
            kept = self.kept.of(weight)
            if gradient is not None:
                pieces.append((weight, gradient, momentum))
            elif kept is None:
                continue
            elif kept.shared:
                scaled = kept.parts[0] * -rate
                parts = [scaled] * len(kept.views(weight))
                self._update(_pieces(kept.views, weight, parts, momentum), 1.0)
            elif self._rest_is_at_rest(weight, momentum, kept):
                pieces += _pieces(kept.views, weight, kept.parts, momentum)
            else:
                pieces.append((weight, kept.whole(weight), momentum))
        self._update(pieces, -rate)
        optimizer._iterations.assign_add(1)

    def _tensors(self, variable) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A variable's own tensor, and that of its momentum."""
        found = self._found.get(id(variable))
        if found is None:
            momentum = None
            if self.optimizer.momentum != 0:
                index = self.optimizer._get_variable_index(variable)
                momentum = parameter(self.optimizer.momentums[index])
            found = self._found[id(variable)] = (parameter(variable), momentum)
        return found

    def _rest_is_at_rest(self, weight, momentum, kept) -> bool:
        """Whether the parts of a kernel that get no gradient have no momentum either,
        so that they need no step. Looked at once: it stays so."""
        if momentum is None:
            return True
        known = self._at_rest.get(id(weight))
        if known is None:
            rest = momentum.clone()
            for view in kept.views(rest):
                view.zero_()
            known = not bool(rest.any())
            self._at_rest[id(weight)] = known
        return known

    def _update(self, pieces: list[Piece], scale: float) -> None:
        """m = momentum * m + scale * g; w = w + m. The gradients are overwritten."""
        if not pieces:
            return
        weights, gradients, momenta = (
            list(tensors) for tensors in zip(*pieces, strict=True)
        )
        gradients = [
            g if g.stride() == w.stride() else torch.empty_like(w).copy_(g)
            for w, g in zip(weights, gradients, strict=True)
        ]
        divisor = None
        if scale == 0:
            torch._foreach_zero_(gradients)
        elif scale != 1:
            divisor = torch.tensor(1 / scale, device=weights[0].device)
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


def _pieces(
    views: Views,
    weight: torch.Tensor,
    parts: list[torch.Tensor],
    momentum: torch.Tensor | None,
) -> list[Piece]:
    momenta: list = [None] * len(parts) if momentum is None else views(momentum)
    return list(zip(views(weight), parts, momenta, strict=True))
