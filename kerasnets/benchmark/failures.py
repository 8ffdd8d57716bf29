"""Failures of single contenders, which do not end the benchmark."""

import math
import time
from dataclasses import dataclass

from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.errors import KerasnetsError, OutOfMemory

_LETTERS = 200  # maximum length of a compiler's message


@dataclass(frozen=True)
class Failure:
    """Why a contender could not take part.

    Attributes:
        why: the reason in one line.
        traceback: of the error in its process, or "".
    """

    why: str
    traceback: str = ""


def failure(contender: Contender, error: Exception) -> Failure:
    """Convert an error of a contender to a failure.

    Raises:
        Exception: the error itself if it concerns others too: out of memory, which
            others may occupy, and errors that kerasnets raises deliberately. A compiler
            may fail in any way.
    """
    if isinstance(error, OutOfMemory):
        raise error
    if isinstance(error, KerasnetsError) and not contender.compiled:
        raise error
    if isinstance(error, TimeoutError):
        return Failure("not compiled within the budget")
    text = " ".join(str(error).split())
    notes = "".join(getattr(error, "__notes__", []))
    return Failure(f"{type(error).__name__}: {text[:_LETTERS]}", notes)


def patience_s(contender: Contender, until: float) -> float | None:
    """Maximum seconds to wait for a contender's answer: only a compiler is given up
    when the budget ends. None for no limit.

    Args:
        until: `time.perf_counter()` at which the budget ends.
    """
    if not contender.compiled or math.isinf(until):
        return None
    return max(0.0, until - time.perf_counter())
