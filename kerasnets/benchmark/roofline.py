"""How close a step comes to the processor's limits in arithmetic and memory traffic.

The arithmetic of a training step is three times that of the forward pass: the gradients
of a layer's input and of its kernel are products as large as its own.

The memory traffic is the minimum for a step that fuses nothing across layers' products:
each convolution or dense layer reads its input and writes its output, and its two
gradients do the same with three tensors of these sizes each; a weight (float32) is read
by the forward and the backward pass and by the update, its gradient and momentum are
written and read. Norms, activations and pools count as fused into these.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasnets.benchmark.clock import Clock
from kerasnets.benchmark.work import Work
from kerasnets.compute.threads import limited_to

if TYPE_CHECKING:
    import keras

# Of each weight in a training step: read twice by the passes; its gradient written and
# read; momentum and weight read and written by the update.
_TRAINING_ACCESSES = 8
_FLOAT32 = 4
_ITEM = {"float32": 4, "mixed_bfloat16": 2, "mixed_float16": 2}

# Of a CUDA device, and of a processor: rows of square matrices, bytes copied, and
# seconds of each.
_SIZES = {"cpu": (1024, 1 << 28, 0.3), "cuda": (8192, 1 << 30, 0.2)}


def counts(model: "keras.Model") -> dict[str, int]:
    """Trainable parameters; multiply-accumulates of one image; and values of one image
    that layers with a kernel read and write."""
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
    """Floating-point operations and bytes of a step, from the result of `counts`."""
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
    of the times that arithmetic and memory traffic need there, divided by `step_s`."""
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
    """PyTorch's speed at one large matrix product in the precision (TFLOP/s; float32 is
    TF32 on CUDA, as for the contenders) and at copying memory (GB/s, read and
    written)."""
    import contextlib

    import torch

    kind = "cuda" if device.startswith("cuda") else "cpu"
    size, count, seconds = _SIZES[kind]
    dtype = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}.get(
        precision, torch.float32
    )
    math_: Any = contextlib.nullcontext()
    if kind == "cuda":
        from kerasnets.compute.torch_settings import fast_math

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
