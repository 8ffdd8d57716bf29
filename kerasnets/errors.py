"""Errors a user can cause or meet.

Each message is one line: what was wrong, what is allowed, and the nearest valid
name where there is one. The command line prints the message alone, without a
traceback, and ends with the class's `exit_status`.
"""

import contextlib
import difflib
import re
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import PurePath
from types import ModuleType


class KerasnetsError(Exception):
    """Base of every error that kerasnets raises on purpose."""

    exit_status = 2


class RecipeError(KerasnetsError):
    """A recipe (or an option that makes one) names something not allowed."""


class DatasetError(KerasnetsError):
    """A dataset is unknown, missing, corrupt, or cannot be downloaded."""


class RunError(KerasnetsError):
    """A run folder is missing, occupied, locked, not writable or damaged."""


class BackendError(KerasnetsError):
    """The Keras backend or the device that was asked for is not available."""


class InstallationError(KerasnetsError):
    """A package is missing, broken, or does not fit another one."""


class WeightsError(KerasnetsError):
    """Weights do not fit the network they were meant for."""


class ExportError(KerasnetsError):
    """A file for another program cannot be made, or does not predict what it should."""

    exit_status = 1


class OutOfMemory(KerasnetsError):
    """The network and a batch of images do not fit the memory."""


class TrainingDiverged(KerasnetsError):
    """The loss became NaN or infinite; the input was fine, the training was not."""

    exit_status = 1


class ProcessEnded(KerasnetsError):
    """A process that kerasnets had started ended before it had done its work."""

    exit_status = 1


class Interrupted(KeyboardInterrupt):
    """A person (Ctrl-C) or the machine (SIGTERM) ended the work; nothing is wrong.

    As a KeyboardInterrupt it passes those who handle errors.

    Args:
        number: the signal.
        message: what was kept, and how to go on.
    """

    def __init__(self, number: int, message: str = "") -> None:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"stopped by {name}{message and ' '}{message}")
        self.exit_status = 128 + number


# Packages that pip knows by another name than Python.
_PIP_NAMES = {
    "PIL": "Pillow",
    "absl": "absl-py",
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "tree": "dm-tree",
}


def import_failure(error: BaseException) -> str | None:
    """One line for an error that the installation is the reason of: an import that
    fails, in whatever way, or a module without what another one looks for in it. None
    for others."""
    module = None
    if isinstance(error, ImportError):
        if error.name is None and isinstance(error.__cause__, ImportError):
            return import_failure(error.__cause__)
        module = error.name
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        module = error.obj.__name__
    named, module = module, module or _being_imported(error)
    package = (module or "").partition(".")[0]
    if package in _NOT_INSTALLED or not (package or isinstance(error, ImportError)):
        return None
    if not package:
        return f"an import fails: {shown(first_line(error))}."
    if named and isinstance(error, ModuleNotFoundError):
        advice = f"install {shown(_PIP_NAMES.get(package, package))}"
    elif isinstance(error, ImportError | SyntaxError) or isinstance(
        getattr(error, "obj", None), ModuleType
    ):
        advice = "its installation is broken, or does not fit the other packages"
    else:
        advice = "its installation or its settings are broken"
    return f"cannot import {shown(package)}: {shown(first_line(error))}; {advice}."


# An error in these is one of the program itself.
_NOT_INSTALLED = ("kerasnets", "cli", "__main__")


def _being_imported(error: BaseException) -> str | None:
    """The module in whose import an error was raised: the innermost, as those around
    it only import it. None where it was no import."""
    importing = [name for name, function in frames(error) if function == "<module>"]
    if importing and isinstance(error, SyntaxError) and error.filename:
        # It is not run, and so has no frame.
        file = PurePath(error.filename)
        inside = [file.relative_to(at) for at in sys.path if file.is_relative_to(at)]
        if inside:
            return PurePath(min(inside, key=lambda path: len(path.parts)).parts[0]).stem
    return importing[-1] if importing else None


def frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Module and function of every call that the error came through, from the
    outermost."""
    step = error.__traceback__
    while step:
        frame, step = step.tb_frame, step.tb_next
        yield str(frame.f_globals.get("__name__")), frame.f_code.co_name


def raise_unless_data(error: BaseException) -> None:
    """Raise what a reader of data must not take for damage of it.

    A reader that catches every exception, because its library raises many kinds, calls
    this first.

    Raises:
        InstallationError: an import failed.
        MemoryError: the memory is full.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError | KerasnetsError):
            raise cause
        failure = import_failure(cause)
        if failure:
            raise InstallationError(failure) from error
        cause = cause.__cause__


def first_line(error: BaseException) -> str:
    """What an error says first, without a full stop; its kind where it is silent."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """Message for a name that is not in `allowed`, with the nearest one that is."""
    allowed = list(allowed)
    like = nearest(str(name).lower(), allowed)
    hint = f" Did you mean {like!r}?" if like else ""
    return f"unknown {kind} {str(name)!r}.{hint} Allowed: {', '.join(allowed)}."


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The name that was probably meant, or None."""
    allowed = list(allowed)
    # An abbreviation (lr, wd, bs) resembles other names more than its own.
    for other in allowed:
        words = other.split("_")
        if len(words) > 1 and name == "".join(word[:1] for word in words):
            return other
    return next(iter(difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)), None)


_ON_COMMAND_LINE = ContextVar("on_command_line", default=False)

# Parameters of Python whose options have other names; a recipe adds its fields.
OPTION_NAMES = {"folder": "out", "path": "out", "profiled": "profile"}


@contextlib.contextmanager
def command_line() -> Iterator[None]:
    """Let messages name options (--batch-size) in place of Python's parameters."""
    before = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(before)


def is_command_line() -> bool:
    """Whether messages are for the command line."""
    return _ON_COMMAND_LINE.get()


def spelled(*, command: str, python: str) -> str:
    """What to write, for whoever reads the message."""
    return command if _ON_COMMAND_LINE.get() else python


def option(name: str, value: object = None) -> str:
    """A parameter as whoever reads the message writes it: "--batch-size 5" on the
    command line, "batch_size=5" in Python.

    Args:
        name: Python's.
        value: True for a flag; None for the parameter alone.
    """
    if not _ON_COMMAND_LINE.get():
        return name if value is None else f"{name}={value!r}"
    flag = f"--{OPTION_NAMES.get(name, name).replace('_', '-')}"
    return flag if value is None or value is True else f"{flag} {value}"


def shown(text: object) -> str:
    """A file name or a word from elsewhere, as it can be printed: on one line, without
    the characters that would move the cursor or cannot be encoded."""
    whole = str(text)
    return whole if whole.isprintable() else ascii(whole)


def command(*words: object) -> str:
    """A command line as a person can paste it into a shell. A path or a word from
    elsewhere may hold anything; a path that begins like an option gets a "./"."""
    return " ".join(map(_shell_word, words))


def _shell_word(word: object) -> str:
    text = str(word)
    if isinstance(word, PurePath) and text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + re.sub(r"[\\']|[^ -~]", _shell_escape, text) + "'"


def _shell_escape(found: re.Match[str]) -> str:
    letter = found[0]
    if letter in "\\'":
        return "\\" + letter
    # As bytes: what \\u is depends on the shell's own locale.
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", _BYTES))


_BYTES = "surrogateescape"  # Python's letters for bytes that are not UTF-8
