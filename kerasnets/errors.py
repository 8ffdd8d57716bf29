"""Errors that a user can cause or encounter.

Each message is one line: what was wrong, what is allowed, and the nearest valid name,
if any. The command line prints the message without a traceback and exits with the
class's `exit_status`.
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
    """Base class of all errors that kerasnets raises deliberately."""

    exit_status = 2


class RecipeError(KerasnetsError):
    """A recipe, or an option for one, has a value that is not allowed."""


class DatasetError(KerasnetsError):
    """A dataset is unknown, missing, corrupt, or cannot be downloaded."""


class RunError(KerasnetsError):
    """A run folder is missing, occupied, locked, not writable or damaged."""


class BackendError(KerasnetsError):
    """The requested Keras backend or device is not available."""


class InstallationError(KerasnetsError):
    """A package is missing, broken, or incompatible with another."""


class WeightsError(KerasnetsError):
    """Weights do not fit the network."""


class ExportError(KerasnetsError):
    """A file cannot be exported, or its predictions differ from the run's."""

    exit_status = 1


class OutOfMemory(KerasnetsError):
    """The network and a batch of images do not fit into memory."""


class TrainingDiverged(KerasnetsError):
    """The loss became NaN or infinite."""

    exit_status = 1


class ProcessEnded(KerasnetsError):
    """A child process ended before it had finished its work."""

    exit_status = 1


class Interrupted(KeyboardInterrupt):
    """The user (Ctrl-C) or the system (SIGTERM) ended the work; this is not an error.

    As a KeyboardInterrupt it passes through handlers of `Exception`.

    Args:
        number: the signal.
        message: what was kept, and how to continue.
    """

    def __init__(self, number: int, message: str = "") -> None:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"stopped by {name}{message and ' '}{message}")
        self.exit_status = 128 + number


# Packages whose names differ between pip and Python.
_PIP_NAMES = {
    "PIL": "Pillow",
    "absl": "absl-py",
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "tree": "dm-tree",
}


def import_failure(error: BaseException) -> str | None:
    """A one-line message for an error caused by the installation: a failed import, or a
    missing attribute of a module. None for other errors."""
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


# An error in these is a bug of the program itself.
_NOT_INSTALLED = ("kerasnets", "cli", "__main__")


def _being_imported(error: BaseException) -> str | None:
    """The innermost module during whose import an error was raised; None if it was not
    raised during an import."""
    importing = [name for name, function in frames(error) if function == "<module>"]
    if importing and isinstance(error, SyntaxError) and error.filename:
        # The module was not executed, and so has no frame.
        file = PurePath(error.filename)
        inside = [file.relative_to(at) for at in sys.path if file.is_relative_to(at)]
        if inside:
            return PurePath(min(inside, key=lambda path: len(path.parts)).parts[0]).stem
    return importing[-1] if importing else None


def frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Module and function of every frame of the traceback, outermost first."""
    step = error.__traceback__
    while step:
        frame, step = step.tb_frame, step.tb_next
        yield str(frame.f_globals.get("__name__")), frame.f_code.co_name


def raise_unless_data(error: BaseException) -> None:
    """Raise errors that a reader of data must not mistake for damaged data.

    Call it first in handlers that catch every exception because a library raises many
    kinds.

    Raises:
        InstallationError: an import failed.
        MemoryError: memory ran out.
        NameError: kerasnets itself used a name that does not exist.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError | KerasnetsError) or _is_own_bug(cause):
            raise cause
        failure = import_failure(cause)
        if failure:
            raise InstallationError(failure) from error
        cause = cause.__cause__


def _is_own_bug(error: BaseException) -> bool:
    modules = [module.split(".")[0] for module, _ in frames(error)]
    return isinstance(error, NameError) and modules[-1:] == ["kerasnets"]


def first_line(error: BaseException) -> str:
    """The first line of an error's message without a full stop, or its class name if
    the message is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """The message for a name that is not in `allowed`, with the nearest allowed one."""
    allowed = list(allowed)
    like = nearest(str(name).lower(), allowed)
    hint = f" Did you mean {like!r}?" if like else ""
    return f"unknown {kind} {str(name)!r}.{hint} Allowed: {', '.join(allowed)}."


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant, or None."""
    allowed = list(allowed)
    # An abbreviation (lr, wd, bs) resembles other names more than its full form.
    for other in allowed:
        words = other.split("_")
        if len(words) > 1 and name == "".join(word[:1] for word in words):
            return other
    return next(iter(difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)), None)


_ON_COMMAND_LINE = ContextVar("on_command_line", default=False)

# Python parameters whose options have other names; the recipe adds its fields.
OPTION_NAMES = {"folder": "out", "path": "out", "profiled": "profile"}


@contextlib.contextmanager
def command_line() -> Iterator[None]:
    """Make messages name options (--batch-size) instead of Python parameters."""
    before = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(before)


def is_command_line() -> bool:
    """Whether messages are for the command line."""
    return _ON_COMMAND_LINE.get()


def spelled(*, command: str, python: str) -> str:
    """`command` in messages for the command line, `python` otherwise."""
    return command if _ON_COMMAND_LINE.get() else python


def option(name: str, value: object = None) -> str:
    """A parameter in a message: "--batch-size 5" on the command line, "batch_size=5" in
    Python.

    Args:
        name: the Python parameter.
        value: True or False for a flag; None for the name only.
    """
    if not _ON_COMMAND_LINE.get():
        return name if value is None else f"{name}={value!r}"
    word = OPTION_NAMES.get(name, name).replace("_", "-")
    if value is False:
        return f"--no-{word}"
    return f"--{word}" if value is None or value is True else f"--{word} {value}"


def shown(text: object) -> str:
    """A foreign name in printable form: on one line, without characters that would move
    the cursor or cannot be encoded."""
    whole = str(text)
    return whole if whole.isprintable() else ascii(whole)


def command(*words: object) -> str:
    """A command line that can be pasted into a shell. Words may contain any character;
    a path that begins with a dash gets the prefix "./"."""
    return " ".join(map(_shell_word, words))


def adding(requirement: str, what: str = "it") -> str:
    """The end of a message: how to install a package that is missing."""
    return f"{command('pip', 'install', requirement)} adds {what}."


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


_BYTES = "surrogateescape"  # how Python represents bytes that are not UTF-8
