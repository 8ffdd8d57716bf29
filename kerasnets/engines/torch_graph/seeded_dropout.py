"""Keras's seeded dropout, without synchronization with the device in every step.

Keras on PyTorch reads the layer's random state from the device to seed a generator, so
that the host waits for all previous steps. Here the host tracks the state itself, and
reads it only after other code, such as a checkpoint, has changed it.
"""

from typing import Any

import torch

from kerasnets.engines.torch_graph.values import Context, dtype_of, parameter


class SeededDropout:
    """The operation of a seeded `keras.layers.Dropout`, with identical masks and random
    state.

    CUDA graphs and compiled networks cannot seed a generator. For them, the mask is
    drawn beforehand into persistent memory (`hold`, `draw_held`).

    Args:
        layer: the dropout layer.
        units: of the input [N, units].

    Attributes:
        holding: whether a step uses that memory instead of drawing a mask.
    """

    def __init__(self, layer: Any, units: int) -> None:
        self.layer, self._units = layer, units
        self.keep = 1.0 - layer.rate
        self._state = parameter(layer.seed_generator.state)  # [2]: seed, draws so far
        self._version: int | None = None
        self._seed = 0
        self._generator: torch.Generator | None = None
        # By batch size: a CUDA graph reads its mask for as long as it exists.
        self._masks: dict[int, torch.Tensor] = {}
        self._held: torch.Tensor | None = None
        self.holding = False

    def __call__(self, context: Context, x: torch.Tensor) -> torch.Tensor:
        if not context.training:
            return x
        x = x.to(dtype_of(self.layer))
        held = self._held if self.holding else None
        mask = self._draw(x.shape, x.device) if held is None else held
        return torch.where(mask, x / self.keep, torch.zeros_like(x))

    def hold(self, count: int) -> None:
        """Use the memory for the mask of a batch of size `count`."""
        if count not in self._masks:
            shape, device = (count, self._units), self._state.device
            self._masks[count] = torch.empty(shape, dtype=torch.bool, device=device)
        self._held = self._masks[count]
        self.holding = True

    def draw_held(self) -> None:
        """Draw the mask of the next step."""
        assert self._held is not None
        self.holding = True
        self._held.copy_(self._draw(self._held.shape, self._held.device))

    def note_version(self) -> None:
        """Accept the state's current version, as its value is known."""
        self._version = self._state._version

    def _draw(self, shape: torch.Size, device: torch.device) -> torch.Tensor:
        """The mask of kept values, bool of the given shape."""
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device=device)
        if self._state._version != self._version:
            self._seed = int(self._state.sum())
        self._generator.manual_seed(self._seed & 0xFFFFFFFF)
        share = torch.full(shape, self.keep, device=device)
        mask = torch.bernoulli(share, generator=self._generator).bool()
        with torch.no_grad():
            self._state[1:].add_(1)
        self._seed += 1
        self.note_version()
        return mask


def is_seeded(layer: Any) -> bool:
    """Whether `SeededDropout` can replace a dropout layer."""
    return (
        0 < layer.rate < 1
        and layer.noise_shape is None
        and layer.seed_generator._initial_seed is not None
    )
