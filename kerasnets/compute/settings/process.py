"""Process settings that affect the results of a network.

A recipe does not name them, so a session sets them to the values below, whatever the
user's keras.json, environment or program says, and restores them afterwards. Settings
that must be made before a backend starts are recorded instead.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from kerasnets.errors import shown

# Environment variables that change the libraries' choice of algorithms at startup. The
# number of threads is recorded separately.
_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "XLA_FLAGS",
)

_JAX = {
    "jax_default_matmul_precision": None,
    "jax_default_prng_impl": "threefry2x32",
    "jax_disable_jit": False,
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_threefry_partitionable": True,
}


@contextlib.contextmanager
def fixed(backend: str) -> Iterator[None]:
    """Set everything that affects results, and restore the user's values, including the
    random states of Python, NumPy and PyTorch, afterwards."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_random_states())
        # A caller may have set NumPy to raise on float32 underflow.
        stack.enter_context(
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
        )
        _fix_keras(stack)
        if backend == "torch":
            _fix_torch(stack)
        elif backend == "jax":
            _fix_jax(stack)
        yield


def left(backend: str) -> dict[str, str]:
    """The settings that a session cannot fix and that differ from the default, by
    name."""
    found = {
        name: shown(os.environ[name]) for name in _VARIABLES if os.environ.get(name)
    }
    if backend == "torch":
        import torch

        switches = {
            "torch.are_deterministic_algorithms_enabled": (
                torch.are_deterministic_algorithms_enabled(),
                False,
            ),
            "torch.backends.mkldnn.enabled": (torch.backends.mkldnn.enabled, True),
            "torch.backends.cudnn.enabled": (torch.backends.cudnn.enabled, True),
        }
        found |= {
            name: str(value)
            for name, (value, usual) in switches.items()
            if value != usual
        }
    return found


@contextlib.contextmanager
def _random_states() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _fix_keras(stack: contextlib.ExitStack) -> None:
    from keras import config

    for now, fix, value in (
        (config.floatx(), config.set_floatx, "float32"),
        (config.epsilon(), config.set_epsilon, 1e-7),
        # The image layout affects the last bits, and not every backend supports both on
        # a CPU.
        (config.image_data_format(), config.set_image_data_format, "channels_last"),
        # KERAS_MAX_EPOCHS and KERAS_MAX_STEPS_PER_EPOCH would shorten every training.
        (config.max_epochs(), config.set_max_epochs, None),
        (config.max_steps_per_epoch(), config.set_max_steps_per_epoch, None),
    ):
        _fix(stack, fix, value, now)


def _fix_torch(stack: contextlib.ExitStack) -> None:
    import torch

    stack.callback(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    _fix(stack, torch.set_default_dtype, torch.float32, torch.get_default_dtype())
    precision = torch.get_float32_matmul_precision()
    _fix(stack, torch.set_float32_matmul_precision, "highest", precision)
    for kind in ("matmul", "conv"):
        products = getattr(torch.backends.mkldnn, kind)
        if products.fp32_precision not in ("none", "ieee"):
            setter = partial(setattr, products, "fp32_precision")
            _fix(stack, setter, "ieee", products.fp32_precision)
    if _flushes_denormals():
        _fix(stack, torch.set_flush_denormal, False, True)
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    for kind in ("cpu", "cuda"):
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
    if torch.is_inference_mode_enabled():
        stack.enter_context(torch.inference_mode(False))
    if not torch.is_grad_enabled():
        stack.enter_context(torch.enable_grad())


def _flushes_denormals() -> bool:
    """Whether PyTorch flushes denormals to zero; there is no getter for this."""
    import torch

    smallest = torch.full((1,), 1e-310, dtype=torch.float64, device="cpu")
    return (smallest * 1.5).item() == 0


def _fix_jax(stack: contextlib.ExitStack) -> None:
    import jax

    for name, value in _JAX.items():
        now = getattr(jax.config, name)
        _fix(stack, partial(jax.config.update, name), value, now)


def _fix(
    stack: contextlib.ExitStack, setter: Callable[[Any], Any], value: Any, now: Any
) -> None:
    if now != value:
        setter(value)
        stack.callback(setter, now)
