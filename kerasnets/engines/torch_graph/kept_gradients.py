"""Compact gradients of kernels between backward pass and optimizer.

A 3x3 kernel on a 1x1 map has a nonzero gradient in its central tap only; VGG's first
dense layer on a 32x32 image has the same gradient 49 times. In a training step, such a
gradient is kept in compact form, without writing zeros or copies. The optimizer can use
it as soon as it is computed, while it is in the processor's cache, and then release its
memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

Views = Callable[[torch.Tensor], list[torch.Tensor]]


@dataclass
class KeptGradient:
    """The gradient of one kernel.

    Attributes:
        parameter: the kernel.
        views: maps a tensor with the kernel's shape to views of the parts that have a
            gradient; they are contiguous if the tensor is.
        shared: whether the views cover the whole kernel and share one gradient.
        use: called with this object when the gradient is available.
        parts: a gradient for each view, or a single shared one; empty after use.
    """

    parameter: torch.Tensor
    views: Views
    shared: bool
    use: Callable[["KeptGradient"], None]
    parts: list[torch.Tensor] = field(default_factory=list)
    _memory: torch.Tensor | None = None

    def take(self, parts: list[torch.Tensor]) -> None:
        """Receive the gradient; called once per backward pass, when the kernel is no
        longer needed."""
        self.parts = parts
        self.use(self)

    def memory(self) -> torch.Tensor:
        """Memory for a single part, reused at every step."""
        if self._memory is None:
            self._memory = torch.empty_like(self.views(self.parameter.detach())[0])
        return self._memory

    def whole(self) -> torch.Tensor:
        """The gradient in the shape of the kernel."""
        gradient = torch.zeros_like(self.parameter)
        views = self.views(gradient)
        parts = self.parts * len(views) if self.shared else self.parts
        for view, part in zip(views, parts, strict=True):
            view.copy_(part)
        return gradient


class KeptGradients:
    """The kept gradients of one model, by parameter.

    Attributes:
        use: called with each gradient when it is available.
    """

    def __init__(self) -> None:
        self.use: Callable[[KeptGradient], None] = lambda gradient: None
        self._by_parameter: dict[int, KeptGradient] = {}

    def of(self, parameter: torch.Tensor) -> KeptGradient | None:
        """The kept gradient of a kernel, or None if it has none."""
        return self._by_parameter.get(id(parameter))

    def keep(
        self, parameter: torch.Tensor, views: Views, *, shared: bool = False
    ) -> KeptGradient:
        """The `KeptGradient` of a kernel, created on first use, for a gradient of each
        of `views(parameter)`, or a single one for all if `shared`."""
        kept = self.of(parameter)
        if kept is None:
            kept = KeptGradient(parameter, views, shared, self.use)
            self._by_parameter[id(parameter)] = kept
        return kept
