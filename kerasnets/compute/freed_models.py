"""Models are freed when the call that made them is over.

Every layer of Keras refers to itself (its `build` is wrapped in a closure over it), so
that no model goes with its last reference: it waits for Python's cycle collector, which
comes round to old objects so seldom that a dozen of them, with the momenta and
gradients of each, pile up first.
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
    """Decorate a function that makes models and returns none.

    Models that somebody else has still a reference to stay whole: those of a callback,
    and after an error those that its traceback shows, until the next such call.
    """

    @functools.wraps(function)
    def freeing(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        finally:
            del args, kwargs  # callbacks, which have the model
            gc.collect()

    return freeing
