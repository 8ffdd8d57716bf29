"""A whole training step as one CUDA graph.

A step of a small network consists of hundreds of kernels of a few microseconds each,
which Python launches more slowly than a GPU computes them. Captured once, forward and
backward pass, update and metrics are launched by a single call. The same kernels run on
the same memory, so the bits are the same.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from kerasnets.engines.torch_graph.seeded_dropout import SeededDropout
from kerasnets.engines.torch_graph.values import parameter

# Steps before the capture, in which cuDNN benchmarks its algorithms and persistent
# memory is allocated.
_WARM_UP = 3
# Maximum number of elements of a constant that is cached on the device.
_SMALL = 64

_log = logging.getLogger(__name__)
_is_trained = attrgetter("requires_grad")

Step = Callable[[Any], dict[str, Any]]


class CapturedStep:
    """Replaces a model's `train_step`.

    The first steps with batches of one shape run eagerly on a separate stream; then a
    step is captured, and replayed for every further batch of that shape. Batches of
    other shapes, such as an epoch's last, run eagerly.
    Changes of the learning rate and metrics by callbacks or checkpoints take effect, as
    these are variables on the device. If the capture fails, all steps run eagerly, and
    one warning is logged.

    Args:
        model: compiled, its variables on a CUDA device.
        step: the original `train_step`.
        dropouts: the network's dropouts, whose masks are drawn before each step.
    """

    def __init__(
        self, model: keras.Model, step: Step, dropouts: Sequence[SeededDropout]
    ) -> None:
        self._step = step
        self._dropouts = dropouts
        self._tensors = [parameter(variable) for variable in model.variables]
        self._constants = Constants()
        self._key: tuple | None = None
        self._seen = 0
        self._recorded: _Recorded | None = None
        self._unseen = False
        self._stream: torch.cuda.Stream | None = None
        obstacle = _obstacle(model.optimizer)
        self._possible = obstacle is None
        if obstacle:
            _log.warning("%s", obstacle)

    def __call__(self, data: Any) -> dict[str, Any]:
        """One training step, as `keras.Model.train_step`."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        plain = weights is None and _is_on_cuda(images) and _is_on_cuda(labels)
        if not self._possible or not plain:
            return self._one_by_one(data)
        # Freezing or unfreezing a layer requires another capture.
        key = (
            *(images.shape, images.dtype, labels.shape, labels.dtype),
            *map(_is_trained, self._tensors),
        )
        if key != self._key:
            self._key, self._seen = key, 0
        if self._recorded is None or self._recorded.key != key:
            self._seen += 1  # consecutive batches, so never an epoch's last
            if self._seen <= _WARM_UP:
                return self._one_by_one(data)
            self._recorded = None  # frees its memory for the next
            self._recorded = self._record(key, images, labels)
            if self._recorded is None:
                return self._one_by_one(data)
        return self._replay(self._recorded, images, labels)

    def note_writes(self) -> None:
        """Increment the versions of tensors written by replayed steps, so that values
        derived from the weights are recomputed. PyTorch does this for eager operations,
        but not for CUDA graphs."""
        if self._unseen:
            torch.autograd.graph.increment_version(self._tensors)
            for dropout in self._dropouts:
                dropout.note_version()
            self._unseen = False

    def _one_by_one(self, data: Any) -> dict[str, Any]:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._tensors[0].device)
        for dropout in self._dropouts:
            dropout.holding = False
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), self._constants:
            logs = self._step(data)
        current.wait_stream(self._stream)
        return logs

    def _record(
        self, key: tuple, images: torch.Tensor, labels: torch.Tensor
    ) -> "_Recorded | None":
        held = images.clone(), labels.clone()
        for dropout in self._dropouts:
            dropout.hold(len(images))
        try:
            with self._constants, _plain_errors():
                replay, logs = record(lambda: self._step(held), self._stream)
        except Exception as error:  # the driver, PyTorch or a layer may refuse
            self._possible = False
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            _log.warning(
                "the training step could not be recorded as a CUDA graph (%s); its "
                "operations are launched one by one, which is slower",
                reason,
            )
            return None
        return _Recorded(key, *held, replay, logs)

    def _replay(
        self, recorded: "_Recorded", images: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, Any]:
        recorded.images.copy_(images)
        recorded.labels.copy_(labels)
        for dropout in self._dropouts:
            dropout.hold(len(images))
            dropout.draw_held()
        recorded.replay()
        self._unseen = True
        # A callback may keep the logs, and the next replay overwrites these.
        return {
            name: value.clone() if isinstance(value, torch.Tensor) else value
            for name, value in recorded.logs.items()
        }


def _obstacle(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Why no step with an optimizer can be captured; None if nothing is known."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return (
            "the loss scale of mixed_float16 is read in every step, so steps are "
            "not recorded as a CUDA graph; mixed_bfloat16 needs no scale"
        )
    if optimizer.gradient_accumulation_steps:
        return (
            "with accumulated gradients, every step reads whether it updates the "
            "weights, so steps are not recorded as a CUDA graph"
        )
    return None


class _Recorded:
    """A captured step: the memory from which it reads its batch, and its metrics."""

    def __init__(
        self,
        key: tuple,
        images: torch.Tensor,
        labels: torch.Tensor,
        replay: Callable[[], None],
        logs: dict[str, Any],
    ) -> None:
        self.key, self.images, self.labels = key, images, labels
        self.replay, self.logs = replay, logs


def record(
    step: Callable[[], dict[str, Any]], stream: Any
) -> tuple[Callable[[], None], dict[str, Any]]:
    """Capture a step without running it.

    Args:
        step: the step, which returns its metrics.
        stream: the CUDA stream on which it ran before.

    Returns:
        A function that replays the step, and the metrics that it updates each time.
    """
    graph = torch.cuda.CUDAGraph()
    with (
        # Restores the current stream even if the end of the capture fails.
        torch.cuda.stream(stream),
        # Other threads may copy batches at the same time.
        torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
    ):
        logs = step()
    return graph.replay, logs


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Disable Keras's traceback filtering, which prepends a heading to messages."""
    filtered = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


class Constants(TorchFunctionMode):
    """A mode in which numbers and small arrays that Keras converts to tensors are
    copied to the device once, and the same tensor is returned for the same values.
    Keras never modifies them."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple, torch.Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.as_tensor or (values := _values(args[0])) is None:
            return func(*args, **kwargs)
        key = (*values, *args[1:], *sorted(kwargs.items()))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = func(*args, **kwargs)
            if isinstance(args[0], np.ndarray) and known.device.type == "cpu":
                known = self._known[key] = known.clone()  # do not share memory
        return known


def _values(data: Any) -> tuple | None:
    """A hashable key for numbers and small arrays; None for anything else."""
    if isinstance(data, bool | int | float):
        # 0, 0.0, -0.0 and False are equal, but become different tensors.
        return type(data), repr(data)
    if isinstance(data, np.ndarray) and data.size <= _SMALL:
        return data.dtype.str, data.shape, data.tobytes()
    if (
        isinstance(data, list | tuple)
        and len(data) <= _SMALL
        and all(isinstance(one, bool | int | float) for one in data)
    ):
        return type(data), repr(data)
    return None


def _is_on_cuda(data: Any) -> bool:
    return isinstance(data, torch.Tensor) and data.is_cuda
