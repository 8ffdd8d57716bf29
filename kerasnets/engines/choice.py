"""Which engine runs a model: Keras's own, or a faster one for the backend."""

import keras

from kerasnets.errors import BackendError, unknown

ENGINES = ("auto", "keras", "torch_graph", "torch_compile")
_TORCH_ENGINES = ("torch_graph", "torch_compile")


def check(engine: str) -> str:
    """The engine that `engine` means under the present backend.

    Args:
        engine: "keras"; "torch_graph", the PyTorch backend's own; "torch_compile", the
            same compiled by torch.compile, which takes minutes; or "auto" for the
            fastest that the backend has without compiling.

    Raises:
        BackendError: it is unknown, or another backend's.
    """
    if engine not in ENGINES:
        raise BackendError(unknown("engine", engine, ENGINES))
    backend = keras.backend.backend()
    if engine == "auto":
        return "torch_graph" if backend == "torch" else "keras"
    if engine in _TORCH_ENGINES and backend != "torch":
        raise BackendError(
            f"engine {engine!r} is the PyTorch backend's; {backend} has 'keras'."
        )
    return engine


def use(model: keras.Model, engine: str) -> None:
    """Run `model` on an engine that `check` has given from now on. A compiled model's
    optimizer must be built."""
    if engine in _TORCH_ENGINES:
        from kerasnets.engines import torch_engine

        torch_engine.install(model, compiled=engine == "torch_compile")
