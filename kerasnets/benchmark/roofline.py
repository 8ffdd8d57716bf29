"""Roofline: a step's speed relative to the limits of arithmetic and memory traffic.

A training step has three times the arithmetic of the forward pass, as the gradients of
a layer's input and kernel are products of the same size as its own.

The memory traffic is the minimum without fusion across layers' products: each
convolution or dense layer reads its input and writes its output, and its two gradients
access tensors of the same sizes; a weight (float32) is read by the forward pass, the
backward pass and the update, and its gradient and momentum are written and read. Norms,
activations and pools are assumed to be fused into these.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.work import Work
from kerasnets.compute.threads import limited_to

if TYPE_CHECKING:
    import keras

# Per weight in a training step: read twice by the passes; gradient written and read;
# momentum and weight read and written by the update.
_TRAINING_ACCESSES = 8
_FLOAT32 = 4
_ITEM = {"float32": 4, "mixed_bfloat16": 2, "mixed_float16": 2}

# By kind of device: rows of square matrices, bytes copied, and seconds of each
# measurement.
_SIZES = {"cpu": (1024, 1 << 28, 0.3), "cuda": (8192, 1 << 30, 0.2)}


def counts(model: "keras.Model") -> dict[str, int]:
    """Numbers of trainable parameters, multiply-accumulates per image, and values per
    image that layers with a kernel read and write."""
    from keras import layers

    from kerasnets.networks.cost import model_cost

    cost = model_cost(model)
    values = sum(
        math.prod(layer.input.shape[1:]) + math.prod(layer.output.shape[1:])
        for layer in model.layers
        if isinstance(layer, (layers.Conv2D, layers.Dense))
    )
    return {"parameters": cost.parameters, "macs": cost.macs, "values": values}


def demands(found: dict[str, int], work: Work) -> dict[str, int]:
    """Floating-point operations and bytes of a step, from a result of `counts`."""
    training = work.what == "train"
    item = _ITEM[work.precision]
    weights = found["parameters"] * (
        _TRAINING_ACCESSES * _FLOAT32 if training else item
    )
    maps = found["values"] * work.batch_size * item * (3 if training else 1)
    return {
        "flops": 2 * found["macs"] * work.batch_size * (3 if training else 1),
        "weight_bytes": weights,
        "map_bytes": maps,
    }


def reached(
    asked: dict[str, int], ceiling: dict[str, float] | None, step_s: float
) -> dict[str, float]:
    """The rate of a step that takes `step_s`, and its share of the ceiling: the longer
    of the minimum times for arithmetic and memory traffic, divided by `step_s`."""
    found = {"tflops_per_s": round(asked["flops"] / step_s / 1e12, 4)}
    if ceiling:
        traffic = asked["weight_bytes"] + asked["map_bytes"]
        arithmetic_s = asked["flops"] / (ceiling["tflops_per_s"] * 1e12)
        memory_s = traffic / (ceiling["gb_per_s"] * 1e9)
        found["share_of_ceiling"] = round(max(arithmetic_s, memory_s) / step_s, 4)
    return found


def measure_ceiling(
    precision: str, device: str, threads: int | str | None = None
) -> dict[str, float]:
    """PyTorch's speed of a large matrix product in the given precision (TFLOP/s;
    float32 is TF32 on CUDA, as for the contenders), and of copying memory (GB/s, reads
    plus writes)."""
    import contextlib

    import torch

    kind = "cuda" if device.startswith("cuda") else "cpu"
    size, count, seconds = _SIZES[kind]
    dtype = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}.get(
        precision, torch.float32
    )
    math_: Any = contextlib.nullcontext()
    if kind == "cuda":
        from kerasnets.compute.settings.of_torch import fast_math

        math_ = fast_math()
    with math_, limited_to(threads, "torch"), torch.no_grad():
        left = torch.randn(size, size, device=device, dtype=dtype)
        right = torch.randn(size, size, device=device, dtype=dtype)
        out = torch.empty_like(left)
        product_s = _shortest(lambda: torch.mm(left, right, out=out), device, seconds)
        source = torch.zeros(count, dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        copy_s = _shortest(lambda: target.copy_(source), device, seconds)
    return {
        "tflops_per_s": round(2 * size**3 / product_s / 1e12, 4),
        "gb_per_s": round(2 * count / copy_s / 1e9, 2),
    }


def _shortest(call: Callable[[], Any], device: str, seconds: float) -> float:
    """Seconds of the fastest of several rounds of calls."""
    for _ in range(3):
        call()
    clock = Clock(device)
    clock.start()
    call()
    clock.stop()
    together = max(1, int(seconds / 5 / max(clock.seconds, 1e-6)))
    best = clock.seconds
    for _ in range(5):
        clock.start()
        for _ in range(together):
            call()
        clock.stop()
        best = min(best, clock.seconds / together)
    return best
