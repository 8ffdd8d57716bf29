"""Gradients of kernels on their way from the backward pass to the optimizer.

A 3x3 kernel on a 1x1 map has a gradient in its central tap alone; the first dense layer
of VGG on a 32x32 image has the same gradient 49 times. In a training step such a
gradient is kept as what it is made of: no zeros are written, and none are added to the
weights. And the optimizer may use it as soon as it is known, while it is still in the
processor's cache, and give its memory to the next one.
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
        views: of a tensor shaped as the kernel, the parts that have a gradient; all
            are contiguous where the tensor is.
        shared: the views are the whole kernel, and the single part is the gradient of
            each of them.
        use: is called with this when there is a gradient.
        parts: a gradient for each view, or a single one; none once it is used.
    """

    parameter: torch.Tensor
    views: Views
    shared: bool
    use: Callable[["KeptGradient"], None]
    parts: list[torch.Tensor] = field(default_factory=list)
    _memory: torch.Tensor | None = None

    def take(self, parts: list[torch.Tensor]) -> None:
        """Have a gradient; called once in a backward pass, when nothing reads the
        kernel any more."""
        self.parts = parts
        self.use(self)

    def memory(self) -> torch.Tensor:
        """For a single part; the same at every step."""
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
    """What one model's backward pass keeps, by the kernel's parameter.

    Attributes:
        use: is called with each gradient when it is known.
    """

    def __init__(self) -> None:
        self.use: Callable[[KeptGradient], None] = lambda gradient: None
        self._by_parameter: dict[int, KeptGradient] = {}

    def of(self, parameter: torch.Tensor) -> KeptGradient | None:
        """What is kept of a kernel, or None where nothing ever is."""
        return self._by_parameter.get(id(parameter))

    def keep(
        self, parameter: torch.Tensor, views: Views, *, shared: bool = False
    ) -> KeptGradient:
        """What will take the kernel's gradient: a tensor for each of
        `views(parameter)`, or a single one for all if `shared`."""
        kept = self.of(parameter)
        if kept is None:
            kept = KeptGradient(parameter, views, shared, self.use)
            self._by_parameter[id(parameter)] = kept
        return kept
