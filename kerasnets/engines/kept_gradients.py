"""Gradients of kernels whose full form would be mostly zeros, or copies.

A 3x3 kernel on a 1x1 map has a gradient in its central tap alone; the first dense layer
of VGG on a 32x32 image has the same gradient 49 times. In a training step such a
gradient is kept as what it is made of, in memory that is used again at every step: no
zeros are written, and none are added to the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

Views = Callable[[torch.Tensor], list[torch.Tensor]]


@dataclass
class KeptGradient:
    """The gradient of one kernel.

    Attributes:
        views: of a tensor shaped as the kernel, the parts that have a gradient; all
            are contiguous where the tensor is.
        parts: a gradient for each view, or a single one.
        shared: the views are the whole kernel, and the single part is the gradient of
            each of them.
    """

    views: Views
    parts: list[torch.Tensor]
    shared: bool

    def whole(self, like: torch.Tensor) -> torch.Tensor:
        """The gradient in the shape of the kernel `like`."""
        gradient = torch.zeros_like(like)
        views = self.views(gradient)
        parts = self.parts * len(views) if self.shared else self.parts
        for view, part in zip(views, parts, strict=True):
            view.copy_(part)
        return gradient


@dataclass
class KeptGradients:
    """What one model's backward pass keeps, by the kernel's parameter."""

    by_parameter: dict[int, KeptGradient] = field(default_factory=dict)

    def of(self, parameter: torch.Tensor) -> KeptGradient | None:
        return self.by_parameter.get(id(parameter))

    def keep(
        self, parameter: torch.Tensor, views: Views, *, shared: bool = False
    ) -> list[torch.Tensor]:
        """Memory for a kernel's gradient: a tensor for each of `views(parameter)`, or
        a single one for all if `shared`."""
        kept = self.of(parameter)
        if kept is None:
            with torch.no_grad():
                of = views(parameter)
                parts = [torch.zeros_like(view) for view in (of[:1] if shared else of)]
            kept = KeptGradient(views, parts, shared)
            self.by_parameter[id(parameter)] = kept
        return kept.parts
