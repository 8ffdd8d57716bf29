"""Free models when the call that made them returns.

Every Keras layer refers to itself (its `build` is wrapped in a closure over it), so a
model outlives its last reference until Python's cycle collector runs. That visits old
objects so rarely that a dozen models with their momenta and gradients pile up first.
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
    """Decorate a function that makes models and returns none. Models with other
    references survive: those of a callback, and after an error those in its traceback,
    until the next such call.
    """

    @functools.wraps(function)
    def freeing(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        finally:
            del args, kwargs  # callbacks refer to the model
            gc.collect()

    return freeing
