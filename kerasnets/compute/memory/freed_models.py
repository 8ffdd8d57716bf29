"""Free models when the function that created them returns.

Every Keras layer refers to itself (its `build` is wrapped in a closure over it), so a
model survives its last reference until Python's cycle collector runs. The collector
visits old objects so rarely that a dozen models with their momenta and gradients can
accumulate.
"""

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def frees_models(
    function: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """Decorate a function that creates models but does not return them. Models that are
    still referenced, by a callback or by the traceback of an error, survive until the
    next call of such a function.
    """

    @functools.wraps(function)
    def freeing(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        finally:
            del args, kwargs  # callbacks refer to the model
            gc.collect()

    return freeing
