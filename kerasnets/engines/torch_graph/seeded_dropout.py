"""Keras's seeded dropout without a look at the device in every step.

Keras on PyTorch reads the layer's random state from the device to seed a generator,
which makes the host wait for all steps before. Here the host counts along, and reads
the state only when somebody else has written to it, as a checkpoint does.
"""

from typing import Any

import torch

from kerasnets.engines.torch_graph.values import Context, dtype_of, parameter


class SeededDropout:
    """The operation of a `keras.layers.Dropout` with a seed: the same masks, to the
    bit, and the same random state after it.

    Neither a CUDA graph nor a compiled network can seed a generator: for them the mask
    is drawn beforehand, into memory that stays (`hold`, `draw_held`).

    Args:
        units: of its input [N, units].

    Attributes:
        holding: whether a step reads that memory, and draws nothing.
    """

    def __init__(self, layer: Any, units: int) -> None:
        self.layer, self._units = layer, units
        self.keep = 1.0 - layer.rate
        self._state = parameter(layer.seed_generator.state)  # [2]: seed, draws so far
        self._version: int | None = None
        self._seed = 0
        self._generator: torch.Generator | None = None
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
        """Have memory for the mask of a batch of `count`."""
        shape, device = (count, self._units), self._state.device
        if self._held is None or self._held.shape != shape:
            self._held = torch.empty(shape, dtype=torch.bool, device=device)
        self.holding = True

    def draw_held(self) -> None:
        """Draw the mask of the next step."""
        assert self._held is not None
        self.holding = True
        self._held.copy_(self._draw(self._held.shape, self._held.device))

    def note_version(self) -> None:
        """The state's version was raised, but not its value changed."""
        self._version = self._state._version

    def _draw(self, shape: torch.Size, device: torch.device) -> torch.Tensor:
        """Which values are kept, bool of the shape."""
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
    """Whether `SeededDropout` does what a dropout layer does."""
    return (
        0 < layer.rate < 1
        and layer.noise_shape is None
        and layer.seed_generator._initial_seed is not None
    )
