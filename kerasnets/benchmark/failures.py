"""Failures of one contender that need not end the benchmark."""

from dataclasses import dataclass

from kerasnets.benchmark.contenders.contender import Contender
from kerasnets.errors import KerasnetsError, OutOfMemory

_LETTERS = 200  # of a compiler's error


@dataclass(frozen=True)
class Failure:
    """Attributes:
    why: a contender could not take part, in one line.
    traceback: of the error in its process, "" where it met none.
    """

    why: str
    traceback: str = ""


def failure(contender: Contender, error: Exception) -> Failure:
    """The failure that an error means for a contender.

    Raises:
        Exception: the error itself where it concerns more than this contender: of
            memory, which others may have taken, and those that kerasnets raises on
            purpose. A compiler may fail in any way.
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
