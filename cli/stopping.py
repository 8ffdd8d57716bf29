"""Ctrl-C and SIGTERM: one line, and the exit status that shells expect.

Imports next to nothing, as Python answers Ctrl-C with a traceback until `listen` runs.
"""

import signal
import sys
from types import FrameType

_ALARM = getattr(signal, "SIGALRM", None)  # None on Windows
_AGAIN_S = 0.2
_AFRESH_OR_ON = ("--overwrite", "--resume")
_number = 0  # the last signal
_command: FrameType | None = None  # the caller of `listen`, until `listen_no_more`
_report = sys.unraisablehook


def listen() -> None:
    """Raise KeyboardInterrupt at SIGTERM and, unless it is ignored, at Ctrl-C, until
    `listen_no_more`.

    During an import it waits for the end or for a second signal, as some imports would
    abort the process or discard it. Discarded elsewhere, it is raised again.
    """
    global _number, _command, _report
    if _command is None:
        sys.unraisablehook, _report = _unraisable, sys.unraisablehook
    _number, _command = 0, sys._getframe(1)
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def listen_no_more() -> None:
    """Let signals end the process at once: its work is done or given up, and Python
    would answer them with a traceback while it exits."""
    global _number, _command
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) == _end:
            signal.signal(number, signal.SIG_DFL)
    if _command is not None:
        _number, _command, sys.unraisablehook = 0, None, _report
        if _ALARM:
            signal.setitimer(signal.ITIMER_REAL, 0)


def is_stop(error: BaseException | None = None) -> bool:
    """Whether a signal has come, or the error is one's; after a signal, any error may
    be its consequence. During an import, a signal raises nothing."""
    return _number != 0 or isinstance(error, KeyboardInterrupt)


def last_words(arguments: list[str], error: BaseException) -> tuple[str, int]:
    """The line and the exit status of a stopped command.

    Args:
        arguments: of the command line.
        error: what stopped it. Its note says what the command leaves.
    """
    from kerasnets.errors import Interrupted, command

    then = getattr(error, "__notes__", ["every file written so far is complete"])[0]
    if not isinstance(error, Interrupted):
        error = Interrupted(_number or signal.SIGINT)
    stopped = str(error).partition("; --resume")[0].rstrip(".")
    if arguments[:1] == ["fit"]:
        kept = [word for word in arguments if word not in _AFRESH_OR_ON]
        then = f"to continue: {command('kerasnets', *kept, '--resume')}"
    return f"{stopped}; {then}", error.exit_status


def _end(number: int, frame: FrameType | None) -> None:
    """Stop with an exception, so that half-written files are removed on the way out;
    then every `_AGAIN_S`, unless one is on its way."""
    global _number
    again = _number and number != _ALARM
    if number != _ALARM:
        _number = number
        if _ALARM:
            signal.signal(_ALARM, _end)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
    waits = _command is None or _on_its_way() or _within_import(frame)
    if again or not (_ALARM and waits):
        raise KeyboardInterrupt


def _on_its_way() -> bool:
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _within_import(frame: FrameType | None) -> bool:
    while frame and frame is not _command:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Say nothing of a stop that came while Python deleted an object."""
    if not isinstance(found.exc_value, KeyboardInterrupt):
        _report(found)
