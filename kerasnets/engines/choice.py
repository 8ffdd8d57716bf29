"""Choice of the engine that runs a model: Keras's own, or a faster one."""

import keras

from kerasnets.engines.names import ENGINES
from kerasnets.errors import BackendError, unknown

_TORCH_ENGINES = ENGINES[2:]


def check(engine: str, device: str = "cpu") -> str:
    """Resolve `engine` under the current backend.

    Args:
        engine: "keras"; "torch_graph", direct torch operations; "torch_compile", these
            compiled by torch.compile, which takes minutes; "torch_cuda_graph", these
            with the training step as one CUDA graph; or "auto" for the fastest on the
            device without compilation.
        device: see `kerasnets.compute.runtime.Session`.

    Raises:
        BackendError: the engine is unknown, or not for this backend or device.
    """
    if engine not in ENGINES:
        raise BackendError(unknown("engine", engine, ENGINES))
    backend = keras.backend.backend()
    on_cuda = device.startswith("cuda")
    if engine == "auto":
        if backend != "torch":
            return "keras"
        return "torch_cuda_graph" if on_cuda else "torch_graph"
    if engine in _TORCH_ENGINES and backend != "torch":
        raise BackendError(
            f"engine {engine!r} is the PyTorch backend's; {backend} has 'keras'."
        )
    if engine == "torch_cuda_graph" and not on_cuda:
        raise BackendError(
            f"engine {engine!r} needs a CUDA device, and this is {device!r}; "
            "'torch_graph' runs the same operations there."
        )
    return engine


def use(model: keras.Model, engine: str, batch_size: int | None = None) -> None:
    """Make `model` run on an engine, a result of `check`. If the model is compiled, its
    optimizer must be built.

    Args:
        batch_size: of training; "torch_compile" compiles for it. Default: that of the
            first training batch.
    """
    if engine in _TORCH_ENGINES:
        from kerasnets.engines import install
        from kerasnets.engines.torch_graph.values import parameter

        compiled = engine == "torch_compile"
        on_cuda = parameter(model.weights[0]).is_cuda
        install.install(
            model,
            compiled=compiled,
            captured=engine == "torch_cuda_graph" or (compiled and on_cuda),
            batch_size=batch_size,
        )
