"""Ctrl-C and SIGTERM: one line, and the exit status that shells expect.

Imports next to nothing, as Python answers Ctrl-C with a traceback until `listen` runs.
"""

import signal
import sys
from types import FrameType

_TIMER = hasattr(signal, "setitimer")  # not on Windows
_AGAIN_S = 0.2
_AFRESH_OR_ON = ("--overwrite", "--resume")
_listening = False
_number = 0  # the last signal
_command: FrameType | None = None  # the caller of `listen`
_report = sys.unraisablehook


def listen() -> None:
    """Raise KeyboardInterrupt at SIGTERM and, unless it is ignored, at Ctrl-C, until
    `listen_no_more`.

    During an import it waits for the end or for a second signal, as some imports would
    abort the process or discard it. Discarded elsewhere, it is raised again.
    """
    global _listening, _number, _command, _report
    _number, _command = 0, sys._getframe(1)
    if not _listening:
        _listening = True
        sys.unraisablehook, _report = _unraisable, sys.unraisablehook
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def listen_no_more() -> None:
    """Let signals end the process at once: its work is done or given up, and Python
    would answer them with a traceback while it exits."""
    global _listening, _number, _command
    if _listening:
        _listening = False
        _number, _command = 0, None
        _insist_every(0)
        sys.unraisablehook = _report
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) == _end:
                signal.signal(number, signal.SIG_DFL)


def is_stop(error: BaseException) -> bool:
    """Whether the error is that of a signal or, after one, perhaps its consequence."""
    return _number != 0 or isinstance(error, KeyboardInterrupt)


def raise_if_put_off() -> None:
    """Raise KeyboardInterrupt if a signal came during an import."""
    if _number:
        raise KeyboardInterrupt


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
    """Stop with an exception, so that half-written files are removed on the way out."""
    global _number
    first, _number = not _number, number
    _insist_every(_AGAIN_S)
    if not (_TIMER and first and _within_import(frame)):
        raise KeyboardInterrupt


def _insist_every(seconds: float) -> None:
    """Call `_insist` so often; 0 for no more."""
    if _TIMER:
        signal.signal(signal.SIGALRM, _insist)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


def _insist(number: int, frame: FrameType | None) -> None:
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return  # it is on its way out
        error = error.__context__
    if _listening and not _within_import(frame):
        raise KeyboardInterrupt


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
