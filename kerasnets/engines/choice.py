"""Which engine runs a model: Keras's own, or a faster one for the backend."""

import keras

from kerasnets.errors import BackendError, unknown

ENGINES = ("auto", "keras", "torch_graph", "torch_compile", "torch_cuda_graph")
_TORCH_ENGINES = ENGINES[2:]


def check(engine: str, device: str = "cpu") -> str:
    """The engine that `engine` means under the present backend.

    Args:
        engine: "keras"; "torch_graph", the PyTorch backend's own; "torch_compile", the
            same compiled by torch.compile, which takes minutes; "torch_cuda_graph", the
            same with its training step as one CUDA graph; or "auto" for the fastest
            that the backend has on the device without compiling.
        device: as a `kerasnets.compute.runtime.Session` has it.

    Raises:
        BackendError: it is unknown, or another backend's or device's.
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


def use(model: keras.Model, engine: str) -> None:
    """Run `model` on an engine that `check` has given from now on. A compiled model's
    optimizer must be built."""
    if engine in _TORCH_ENGINES:
        from kerasnets.engines import install
        from kerasnets.engines.torch_graph.values import parameter

        compiled = engine == "torch_compile"
        on_cuda = parameter(model.weights[0]).is_cuda
        install.install(
            model,
            compiled=compiled,
            captured=engine == "torch_cuda_graph" or (compiled and on_cuda),
        )
